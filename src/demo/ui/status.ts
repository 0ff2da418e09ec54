/** Loading, trouble, figures and the small print. */
import type { Params } from '../params';
import { createTroublePanel } from '../shell/trouble';
import type { State } from '../state';
import { byId, calm, setHidden, setText } from './dom';
import { targetText } from './target';
import { EXECUTOR_NAMES, ms, percent, progressText } from './words';

interface StatusView {
  render(state: State): void;
}

export function createStatusView(params: Pick<Params, 'isDefaultBundle' | 'bundle'>): StatusView {
  const loading = byId('loading', HTMLElement);
  const progress = byId('progress', HTMLProgressElement);
  const progressLine = byId('progress-text', HTMLParagraphElement);
  const showTrouble = createTroublePanel();
  const text = (id: string) => byId(id, HTMLElement);
  const parts = {
    withoutGpu: text('without-gpu'),
    executor: text('executor'),
    reason: text('executor-reason'),
    p50: text('p50'),
    p95: text('p95'),
    fps: text('fps'),
    slowdown: text('slowdown'),
    target: text('target-text'),
    route: text('route-id'),
    facts: text('route-facts'),
    bundle: text('bundle-line'),
    seesSize: text('sees-size'),
    footSize: text('foot-size'),
    footClasses: text('foot-classes'),
  };
  setHidden(text('footnote'), !params.isDefaultBundle);
  byId('model-card', HTMLAnchorElement).href = new URL('MODEL_CARD.md', params.bundle).href;

  // The slowdown moves with every answer; twice a second is what an eye can follow.
  const facts = calm(500, (state: State) => setText(parts.facts, routeFacts(state)));
  let factsOf = '';

  return {
    render(state) {
      const { phase, loaded, snapshot } = state;
      document.documentElement.dataset['state'] = phase;
      document.documentElement.dataset['complete'] = String(state.complete);
      setHidden(loading, phase !== 'loading');
      if (phase === 'loading') renderProgress(state, progress, progressLine);
      showTrouble(state.trouble);
      setHidden(parts.withoutGpu, state.trouble?.offerFallback !== true);

      // On a phone the panel about loading is far below.
      const isLoading = phase === 'loading';
      const waiting = isLoading ? 'Loading the networks' : 'Nothing runs';
      setText(parts.executor, loaded === null ? waiting : EXECUTOR_NAMES[loaded.device.executor]);
      setText(parts.reason, loaded?.device.reason ?? (isLoading ? loadingText(state) : ''));
      setText(parts.p50, snapshot === null ? '…' : ms(snapshot.p50Ms));
      setText(parts.p95, snapshot === null ? '…' : ms(snapshot.p95Ms));
      setText(parts.fps, snapshot === null ? '…' : String(Math.round(snapshot.fps)));
      setText(parts.slowdown, snapshot === null ? '…' : `× ${snapshot.slowdown.toFixed(1)}`);
      setText(parts.target, targetText(state));
      setText(parts.route, state.route === '' ? '…' : state.route);
      // Always, so that what was put off is never of another route.
      facts(state);
      if (factsOf !== state.route) {
        factsOf = state.route;
        setText(parts.facts, routeFacts(state));
      }
      if (loaded !== null) {
        const { bundle, inputSize, classes } = loaded;
        setText(
          parts.bundle,
          [`Model ${bundle.name} ${bundle.version}`, bundle.license, ...bundle.sources].map(sentence).join(' '),
        );
        setText(parts.seesSize, `: ${inputSize}\u00a0×\u00a0${inputSize}`);
        setText(parts.footSize, `${inputSize}\u00a0×\u00a0${inputSize}`);
        setText(parts.footClasses, String(classes));
      }
    },
  };
}

/** Bundles write their terms with or without a full stop. */
function sentence(text: string): string {
  return `${text.trim().replace(/\.+$/, '')}.`;
}

const loadingText = ({ progress }: State): string => (progress === null ? 'Starting…' : progressText(progress));

function renderProgress(state: State, bar: HTMLProgressElement, line: HTMLElement): void {
  const { progress } = state;
  const known = progress !== null && progress.bytesTotal > 0;
  if (known) {
    bar.max = progress.bytesTotal;
    bar.value = progress.bytesLoaded;
  } else bar.removeAttribute('value');
  setText(line, loadingText(state));
}

function routeFacts({ loaded, route, snapshot }: State): string {
  if (loaded === null) return '';
  const index = loaded.ladder.findIndex((rung) => rung.id === route);
  const rung = loaded.ladder[index];
  const top1 = loaded.routes.find((one) => one.id === route)?.top1;
  const facts: string[] = [];
  if (rung !== undefined) {
    facts.push(`rung ${index + 1} of ${loaded.ladder.length}`);
    const slow = snapshot !== null && snapshot.slowdown > 1.1 ? `, now about ${ms(rung.costMs * snapshot.slowdown)}` : '';
    facts.push(`expected ${ms(rung.costMs)}${slow}`);
  }
  if (top1 !== undefined) facts.push(`right on ${percent(top1, 1)} of the test photos`);
  return facts.join(' · ');
}
