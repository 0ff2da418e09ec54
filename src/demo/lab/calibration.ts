/** Measuring the device by hand: the button, what came out of it against what was expected, and the table of all routes. */
import type { RouteCost } from '../../index';
import type { CalibrationState, Loaded, State } from '../state';
import { byId, setHidden, setText, svg, whenChanged } from '../ui/dom';
import { bodyRow } from '../ui/table';
import { ms, percent } from '../ui/words';
import { label, line, logAxis, onWidth, spaced } from './plot';
import { macsWords } from './routes';

export interface CalibrationActions {
  measure(): void;
  cancel(): void;
}

type Measured = RouteCost & { readonly measuredMs: number };

const LEFT = 42;
const RIGHT = 12;
const TOP = 10;
const BOTTOM = 34;
/** The band around the diagonal inside which a prediction counts as good. */
const GOOD = 0.1;

const SOURCES: Readonly<Record<Loaded['profile']['source'], string>> = {
  priors: 'those that came with the networks, scaled to this device',
  measured: 'measured on this page',
  stored: 'kept from an earlier measurement on this device',
  refined: 'measured anew between frames',
};

export function createCalibration(actions: CalibrationActions): (state: State) => void {
  const button = byId('calibrate', HTMLButtonElement);
  const cancel = byId('calibrate-cancel', HTMLButtonElement);
  const bar = byId('calibrate-progress', HTMLProgressElement);
  const step = byId('calibrate-step', HTMLParagraphElement);
  const live = byId('calibrate-live', HTMLParagraphElement);
  const facts = byId('calibrate-facts', HTMLParagraphElement);
  const box = byId('calibrate-plot', HTMLDivElement);
  const details = byId('calibrate-table', HTMLDetailsElement);
  const count = byId('calibrate-count', HTMLElement);
  const rows = byId('calibrate-rows', HTMLTableSectionElement);
  let loaded: Loaded | null = null;
  let width = 0;

  button.addEventListener('click', actions.measure);
  cancel.addEventListener('click', actions.cancel);

  const drawPlot = () => {
    const measured = measuredOf(loaded);
    box.replaceChildren(...(width === 0 || measured.length === 0 ? [] : [scatter(measured, loaded, width)]));
  };
  const fillTable = () => {
    if (details.open && loaded !== null) rows.replaceChildren(...loaded.profile.routes.map((cost) => row(cost, loaded)));
  };
  onWidth(box, (now) => {
    width = now;
    drawPlot();
  });
  details.addEventListener('toggle', fillTable);

  const renew = whenChanged(() => {
    setText(facts, loaded === null ? 'Nothing is loaded yet.' : factsOf(loaded));
    setText(count, String(loaded?.profile.routes.length ?? 0));
    drawPlot();
    fillTable();
  });
  // The end of it is said once; each step is only shown.
  const say = whenChanged(() => setText(live, spoken));
  let spoken = '';
  let wasRunning = false;

  return (state) => {
    const { calibration } = state;
    loaded = state.loaded;
    renew(loaded?.profile, loaded?.ladder);
    const running = calibration.kind === 'running';
    // Disabled instead of hidden would lose the focus all the same; so it goes where the next step is.
    const hadFocus = document.activeElement === button || document.activeElement === cancel;
    button.disabled = state.phase !== 'ready' || running;
    setHidden(button, running);
    setHidden(cancel, !running);
    setHidden(bar, !running);
    if (running !== wasRunning && hadFocus) (running ? cancel : button).focus();
    wasRunning = running;
    if (calibration.kind === 'running' && calibration.progress !== null) {
      bar.max = Math.max(calibration.progress.total, 1);
      bar.value = calibration.progress.done;
    } else bar.removeAttribute('value');
    setText(step, stepText(calibration));
    step.classList.toggle('wrong', calibration.kind === 'failed');
    spoken = calibration.kind === 'running' ? 'Measuring…' : stepText(calibration);
    say(calibration.kind);
  };
}

function stepText(state: CalibrationState): string {
  switch (state.kind) {
    case 'idle':
      return 'Takes ten seconds at most; the picture waits meanwhile.';
    case 'running':
      return state.progress === null
        ? 'Waiting for the last frame…'
        : `Measuring ${state.progress.route}: ${state.progress.done} of ${state.progress.total} frames.`;
    case 'done':
      return state.kept
        ? 'Measured, and kept for the next visit.'
        : 'Measured, but for the networks that are not here yet: they follow, and then it is kept.';
    case 'cancelled':
      return 'Cancelled; everything stays as it was.';
    case 'failed':
      return `It could not be measured: ${state.why}`;
  }
}

function factsOf({ profile }: Loaded): string {
  const measured = profile.routes.filter(({ measuredMs }) => measuredMs !== undefined).length;
  const words = [`The expected times are ${SOURCES[profile.source]}`];
  if (profile.source !== 'priors') words[0] += `, ${dateWords(profile.measuredAt)}`;
  words.push(
    measured === 0
      ? 'no route is measured by itself'
      : `${measured} of ${profile.routes.length} routes were run, the rest follows from them`,
  );
  words.push(
    profile.medianError < 0
      ? 'how far predictions are off is not known yet'
      : `predictions of routes that were left out are off by ${percent(profile.medianError, 1)} (median)`,
  );
  return `${words.join('; ')}.`;
}

function dateWords(iso: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return 'at an unknown time';
  const today = date.toDateString() === new Date().toDateString();
  return today
    ? `at ${date.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })}`
    : `on ${date.toLocaleDateString('en-GB', { day: 'numeric', month: 'long', year: 'numeric' })}`;
}

function measuredOf(loaded: Loaded | null): readonly Measured[] {
  return (loaded?.profile.routes ?? []).flatMap((cost) =>
    cost.measuredMs !== undefined && cost.measuredMs > 0 && cost.predictedMs > 0
      ? [{ ...cost, measuredMs: cost.measuredMs }]
      : [],
  );
}

/** Predicted over measured; on the diagonal both are the same. */
function scatter(measured: readonly Measured[], loaded: Loaded | null, width: number): SVGSVGElement {
  const height = Math.round(Math.min(Math.max(width * 0.62, 210), 300));
  const all = measured.flatMap((one) => [one.measuredMs, one.predictedMs]);
  const [low, high] = [Math.min(...all) * 0.8, Math.max(...all) * 1.25];
  const x = logAxis(low, high, LEFT, width - RIGHT);
  const y = logAxis(low, high, height - BOTTOM, TOP);
  const plot = svg('svg', {
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: 'img',
    'aria-label': scatterWords(measured),
  });
  const corner = (value: number, factor: number) => `${x.at(value).toFixed(1)} ${y.at(value * factor).toFixed(1)}`;
  const band = [
    corner(low, 1),
    corner(low / (1 - GOOD), 1 - GOOD),
    corner(high, 1 - GOOD),
    corner(high, 1),
    corner(high / (1 + GOOD), 1 + GOOD),
    corner(low, 1 + GOOD),
  ];
  plot.append(svg('path', { d: `M${band.join('L')}Z`, class: 'good-band' }));
  for (const value of spaced(y, 22)) {
    plot.append(
      line(LEFT, y.at(value), width - RIGHT, y.at(value), 'grid'),
      label(String(value), LEFT - 6, y.at(value) + 4, 'tick-text', 'end'),
    );
  }
  for (const value of spaced(x, 34)) plot.append(label(String(value), x.at(value), height - BOTTOM + 16));
  plot.append(line(x.at(low), y.at(low), x.at(high), y.at(high), 'diagonal'));
  for (const { route, measuredMs, predictedMs } of measured) {
    const isAnchor = loaded?.anchors.some(({ id }) => id === route) === true;
    const [cx, cy] = [x.at(measuredMs), y.at(predictedMs)];
    const mark = isAnchor
      ? svg('rect', { x: (cx - 5).toFixed(1), y: (cy - 5).toFixed(1), width: 10, height: 10, rx: 2 })
      : svg('circle', { cx: cx.toFixed(1), cy: cy.toFixed(1), r: 4 });
    const title = svg('title', {});
    title.textContent = `${route}: measured ${ms(measuredMs)}, predicted ${ms(predictedMs)} (${errorText({ measuredMs, predictedMs })})`;
    mark.append(title);
    plot.append(svg('g', { class: isAnchor ? 'mark anchor on-front' : 'mark on-front' }, mark));
    // Below the diagonal there is room.
    if (isAnchor)
      plot.append(label(route, Math.min(cx + 9, width - RIGHT), cy + 18, 'anchor-name', cx > width * 0.8 ? 'end' : 'start'));
  }
  plot.append(
    label('measured, ms', width - RIGHT, height - 3, 'tick-text', 'end'),
    label('↑ predicted, ms', 2, height - 3, 'tick-text', 'start'),
  );
  return plot;
}

function scatterWords(measured: readonly Measured[]): string {
  const good = measured.filter(({ measuredMs, predictedMs }) => Math.abs(predictedMs / measuredMs - 1) <= GOOD).length;
  return `Predicted against measured times of ${measured.length} routes; ${good} lie within ${percent(GOOD)}. The table below has the numbers.`;
}

function errorText({ measuredMs, predictedMs }: Pick<Measured, 'measuredMs' | 'predictedMs'>): string {
  const share = (predictedMs / measuredMs - 1) * 100;
  return `${share < -0.05 ? '−' : '+'}${Math.abs(share).toFixed(1)} %`;
}

function row(cost: RouteCost, loaded: Loaded | null): HTMLTableRowElement {
  const route = loaded?.routes.find(({ id }) => id === cost.route);
  const onLadder = loaded?.ladder.some(({ id }) => id === cost.route) === true;
  const cells = [
    ms(cost.predictedMs),
    cost.measuredMs === undefined ? '–' : ms(cost.measuredMs),
    cost.measuredMs === undefined ? '–' : errorText({ ...cost, measuredMs: cost.measuredMs }),
    route?.top1 === undefined ? '–' : percent(route.top1, 1),
    route === undefined ? '–' : macsWords(route.macs),
    onLadder ? 'yes' : 'no',
  ];
  return bodyRow({ head: cost.route, cells, className: onLadder ? 'on-ladder' : '' });
}
