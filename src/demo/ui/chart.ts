/** Latency over time on a canvas: a dot for each answer, the budget as a dashed line, a mark for each switch. */
import { CHART_MS } from '../state';
import type { LogEntry, Sample, State } from '../state';
import { byId, calm, setText } from './dom';
import { niceAbove } from './scale';
import { ms } from './words';

const HEIGHT = 170;
const LEFT = 38;
const BOTTOM = 18;
const TOP = 10;
const MOST_ENTRIES = 40;

interface Chart {
  render(state: State): void;
}

/** The chart in a sentence: its text alternative, and its caption. */
function chartText(samples: readonly Sample[], budgetMs: number, switches: number): string {
  if (samples.length === 0) return 'No answers yet.';
  const sorted = samples.map((sample) => sample.ms).sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  const over = samples.filter((sample) => sample.ms > sample.budgetMs).length;
  const share = Math.round((over / sorted.length) * 100);
  const changes = switches === 0 ? 'no route changes' : `${switches} route change${switches === 1 ? '' : 's'}`;
  const times =
    sorted.length === 1
      ? `1 answer in ${ms(at(0))}`
      : `${sorted.length} answers, most between ${ms(at(0.05))} and ${ms(at(0.95))}`;
  return `${times}; budget ${ms(budgetMs)}, ${share} % above it; ${changes}.`;
}

export function createChart(): Chart {
  const canvas = byId('chart', HTMLCanvasElement);
  const caption = byId('chart-text', HTMLParagraphElement);
  const context = canvas.getContext('2d');
  let width = 0;
  let top = 0;
  let latest: State | null = null;

  const resize = () => {
    const ratio = Math.min(devicePixelRatio, 3);
    width = canvas.clientWidth;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(HEIGHT * ratio);
    context?.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (latest !== null) draw(latest);
  };
  new ResizeObserver(resize).observe(canvas);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => latest !== null && draw(latest));

  const draw = (state: State) => {
    if (context === null || width === 0) return;
    const style = getComputedStyle(canvas);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const { budgetMs, samples, log } = state;
    const newest = samples.at(-1)?.at ?? performance.now();
    const since = newest - CHART_MS;
    const shown = samples.filter((sample) => sample.at >= since);
    top = easedTop(top, shown, budgetMs);
    const x = (time: number) => LEFT + ((time - since) / CHART_MS) * (width - LEFT - 6);
    const y = (value: number) => HEIGHT - BOTTOM - (Math.min(value, top) / top) * (HEIGHT - BOTTOM - TOP);

    context.clearRect(0, 0, width, HEIGHT);
    context.font = '11px system-ui, sans-serif';
    context.fillStyle = colour('--ink-soft');
    context.strokeStyle = colour('--seam');
    context.lineWidth = 1;
    context.textBaseline = 'middle';
    context.textAlign = 'right';
    for (const value of [0, top / 2, top]) {
      context.fillText(value === 0 ? '0' : ms(value).replace(' ms', ''), LEFT - 6, y(value));
      line(context, LEFT, y(value), width - 6, y(value));
    }
    context.textBaseline = 'alphabetic';
    context.textAlign = 'left';
    context.fillText('ms', 4, HEIGHT - 4);
    context.textAlign = 'center';
    for (const seconds of [-20, -10]) context.fillText(`${seconds} s`, x(newest + seconds * 1000), HEIGHT - 4);
    context.textAlign = 'right';
    context.fillText('now', width - 6, HEIGHT - 4);

    const changes = switchesIn(log, since);
    context.strokeStyle = colour('--ink-soft');
    context.setLineDash([2, 4]);
    for (const change of changes) line(context, x(change.at), TOP, x(change.at), HEIGHT - BOTTOM);
    context.setLineDash([]);
    context.fillStyle = colour('--thread');
    for (const sample of shown) {
      const late = sample.ms > sample.budgetMs;
      context.globalAlpha = late ? 1 : 0.75;
      context.fillStyle = late ? colour('--madder') : colour('--thread');
      context.fillRect(x(sample.at) - 1.25, y(sample.ms) - 1.25, 2.5, 2.5);
    }
    context.globalAlpha = 1;
    context.fillStyle = colour('--ink-soft');
    for (const change of changes) knot(context, x(change.at), TOP);
    context.strokeStyle = colour('--madder');
    context.lineWidth = 2;
    context.lineCap = 'round';
    context.setLineDash([9, 7]);
    budgetLine(context, shown, budgetMs, { x, y, left: LEFT + 2, right: width - 6 });
    context.setLineDash([]);
    context.lineCap = 'butt';
  };

  // Ten pictures a second are plenty for a chart; more would eat into the budget it shows.
  const drawCalmly = calm(120, draw);
  const say = calm(2000, (state: State) => {
    const since = performance.now() - CHART_MS;
    const shown = state.samples.filter((sample) => sample.at >= since);
    setText(caption, chartText(shown, state.budgetMs, switchesIn(state.log, since).length));
  });

  return {
    render(state) {
      const moved =
        latest === null || latest.samples !== state.samples || latest.budgetMs !== state.budgetMs || latest.log !== state.log;
      latest = state;
      if (!moved) return;
      drawCalmly(state);
      say(state);
    },
  };
}

function switchesIn(log: readonly LogEntry[], since: number): readonly LogEntry[] {
  return log.slice(0, MOST_ENTRIES).filter((entry) => entry.at >= since && entry.from !== '' && entry.from !== entry.to);
}

/** High enough for the budget and nearly every answer; a single spike does not flatten the rest. Grows at once, shrinks slowly. */
function easedTop(before: number, samples: readonly Sample[], budgetMs: number): number {
  const sorted = samples.map((sample) => sample.ms).sort((a, b) => a - b);
  const high = sorted[Math.floor(sorted.length * 0.98)] ?? 0;
  const wanted = niceAbove(Math.max(budgetMs * 1.25, high * 1.1, 0.5));
  return wanted >= before || before > wanted * 1.6 ? wanted : before;
}

function line(context: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

interface Frame {
  readonly x: (time: number) => number;
  readonly y: (value: number) => number;
  readonly left: number;
  readonly right: number;
}

/** What was allowed when, up to what is allowed now. */
function budgetLine(context: CanvasRenderingContext2D, samples: readonly Sample[], budgetMs: number, frame: Frame): void {
  const { x, y, left, right } = frame;
  let before = samples[0]?.budgetMs ?? budgetMs;
  context.beginPath();
  context.moveTo(left, y(before));
  for (const sample of samples) {
    if (sample.budgetMs === before) continue;
    context.lineTo(x(sample.at), y(before));
    context.lineTo(x(sample.at), y(sample.budgetMs));
    before = sample.budgetMs;
  }
  context.lineTo(right, y(before));
  if (before !== budgetMs) context.lineTo(right, y(budgetMs));
  context.stroke();
}

function knot(context: CanvasRenderingContext2D, x: number, y: number): void {
  context.beginPath();
  context.arc(x, y, 3.5, 0, 2 * Math.PI);
  context.fill();
}
