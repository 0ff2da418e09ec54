/** What still arrives after the first answer, and what was left out, with a button to fetch it all the same. */
import type { Runtime } from '../../index';
import type { State } from '../state';
import { byId, setHidden, setText } from './dom';
import { etaText, sizeText } from './words';

type Tier = Runtime['tiers'][number];

const REASONS: Readonly<Record<NonNullable<Tier['limit']>, string>> = {
  asked: 'as was asked for',
  memory: 'because this device has little memory',
  'save-data': 'because the connection is mobile or slow, or sites are asked to save data',
  crash: 'because the page ended unexpectedly while it loaded',
};

export function createArrivals(load: (anchor: string) => void): (state: State) => void {
  const box = byId('more', HTMLDivElement);
  const text = byId('more-text', HTMLSpanElement);
  const bar = byId('more-progress', HTMLProgressElement);
  const button = byId('more-load', HTMLButtonElement);
  let anchor = '';
  let asked = false;
  button.addEventListener('click', () => {
    if (button.getAttribute('aria-disabled') === 'true') return;
    asked = true;
    load(anchor);
  });

  return ({ phase, loaded, complete, progress }) => {
    const left = loaded?.tiers.find((tier) => !hasRoute(loaded.routes, tier.anchor));
    if (complete) asked = false;
    setHidden(box, phase !== 'ready' || (complete && left === undefined));
    setHidden(bar, complete);
    // It keeps the focus while what it asked for arrives.
    setHidden(button, complete ? left === undefined : !asked);
    button.setAttribute('aria-disabled', String(!complete));
    if (!complete) {
      const known = progress !== null && progress.bytesTotal > 0;
      if (known) {
        bar.max = progress.bytesTotal;
        bar.value = progress.bytesLoaded;
      } else bar.removeAttribute('value');
      const amount = known ? `: ${sizeText(progress.bytesLoaded)} of ${sizeText(progress.bytesTotal)}${etaText(progress)}` : '';
      setText(text, `Larger networks are still arriving${amount}.`);
    } else if (left !== undefined) {
      anchor = left.anchor;
      const why = left.limit === undefined ? '' : ` ${REASONS[left.limit]}`;
      const what = left.planned ? 'did not arrive' : `was left out${why}`;
      setText(text, `${left.anchor} ${what} (${sizeText(left.bytes)}).`);
      setText(button, `Load ${left.anchor}`);
    }
  };
}

/** Whether everything that was to be loaded by itself is here. */
export function isWhole({ tiers, routes }: Pick<Runtime, 'tiers' | 'routes'>): boolean {
  return tiers.every(({ planned, anchor }) => !planned || hasRoute(routes, anchor));
}

/** An anchor counts as loaded once it runs by itself. */
function hasRoute(routes: Runtime['routes'], anchor: string): boolean {
  return routes.some(
    ({ path, available }) => available && path.length === 1 && path.some((step) => 'anchor' in step && step.anchor === anchor),
  );
}
