/** What still arrives after the first answer, and what was left out, with a button to fetch it all the same. */
import type { Runtime } from '../../index';
import type { State } from '../state';
import { byId, setHidden, setText } from './dom';
import { sizeText } from './words';

type Tier = Runtime['tiers'][number];

const REASONS: Readonly<Record<NonNullable<Tier['limit']>, string>> = {
  asked: 'as was asked for',
  memory: 'because this device has little memory',
  'save-data': 'because you asked sites to save data',
  crash: 'because the page ended unexpectedly while it loaded',
};

export function createArrivals(load: (anchor: string) => void): (state: State) => void {
  const box = byId('more', HTMLDivElement);
  const text = byId('more-text', HTMLSpanElement);
  const bar = byId('more-progress', HTMLProgressElement);
  const button = byId('more-load', HTMLButtonElement);
  let anchor = '';
  button.addEventListener('click', () => load(anchor));

  return ({ phase, loaded, complete, progress }) => {
    const arriving = !complete && progress !== null && progress.bytesTotal > 0;
    const left = loaded?.tiers.find((tier) => !tier.planned && !hasRoute(loaded.routes, tier.anchor));
    setHidden(box, phase !== 'ready' || (!arriving && left === undefined));
    setHidden(bar, !arriving);
    setHidden(button, arriving || left === undefined);
    if (arriving) {
      bar.max = progress.bytesTotal;
      bar.value = progress.bytesLoaded;
      setText(
        text,
        `Larger networks are still arriving: ${sizeText(progress.bytesLoaded)} of ${sizeText(progress.bytesTotal)}.`,
      );
    } else if (left !== undefined) {
      anchor = left.anchor;
      const why = left.limit === undefined ? '' : ` ${REASONS[left.limit]}`;
      setText(text, `${left.anchor} was left out${why} (${sizeText(left.bytes)}).`);
      setText(button, `Load ${left.anchor}`);
    }
  };
}

/** An anchor counts as loaded once it runs by itself. */
function hasRoute(routes: Runtime['routes'], anchor: string): boolean {
  return routes.some(
    ({ path, available }) => available && path.length === 1 && path.some((step) => 'anchor' in step && step.anchor === anchor),
  );
}
