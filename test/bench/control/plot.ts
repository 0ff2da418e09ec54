/** One flight as an SVG picture: latency against budget, and the route over time beside the oracle's. */
import type { Run } from '../../../src/control/simulate';
import { SIMULATION } from '../../../src/control/simulate';

const WIDTH = 760;
const PANEL = 150;
const LEFT = 44;
const TOP = 30;
const GAP = 34;

export function plot(run: Run, plan: Uint8Array, title: string): string {
  const { course, count } = run;
  const seconds = course.trace.seconds;
  const x = (tick: number): number => LEFT + ((tick * SIMULATION.frameMs) / 1000 / seconds) * (WIDTH - LEFT - 10);
  const ratios = Array.from({ length: count }, (_, i) => (run.latencyMs[i] ?? 0) / (course.budgetMs[run.tick[i] ?? 0] ?? 1));
  const most = 2;
  const yRatio = (ratio: number): number => TOP + PANEL * (1 - Math.min(ratio, most) / most);
  const accuracies = course.rungs.map(({ accuracy }) => 100 * accuracy);
  const low = Math.min(...accuracies);
  const high = Math.max(...accuracies);
  const second = TOP + PANEL + GAP;
  const yAccuracy = (rung: number): number => second + PANEL * (1 - ((accuracies[rung] ?? low) - low) / (high - low || 1));
  const f = (value: number): string => value.toFixed(1);
  // Long traces hold more frames than pixels.
  const stride = Math.max(1, Math.ceil(count / 1500));
  const dots = ratios
    .map((ratio, i) => ({ ratio, i }))
    .filter(({ ratio, i }) => i % stride === 0 || ratio > 1)
    .map(({ ratio, i }) => {
      const late = ratio > 1 && !run.grace[i];
      return `<circle cx="${f(x(run.tick[i] ?? 0))}" cy="${f(yRatio(ratio))}" r="1.1" fill="${late ? '#c0392b' : '#2c6e9b'}"/>`;
    });
  const path = (length: number, tickOf: (i: number) => number, rungOf: (i: number) => number): string => {
    const points: string[] = [];
    for (let i = 0, last = -1; i < length; i++) {
      const rung = rungOf(i);
      if (rung === last) continue;
      points.push(`${points.length ? `H${f(x(tickOf(i)))}V` : `M${f(x(tickOf(i)))},`}${f(yAccuracy(rung))}`);
      last = rung;
    }
    return `${points.join('')}H${f(x(course.ticks))}`;
  };
  const ours = path(count, (i) => run.tick[i] ?? 0, (i) => run.rung[i] ?? 0); // prettier-ignore
  const best = path(course.ticks, (i) => i, (i) => plan[i] ?? 0); // prettier-ignore
  const text = (px: number, py: number, what: string, extra = ''): string =>
    `<text x="${f(px)}" y="${f(py)}" ${extra}>${what}</text>`;
  const height = second + PANEL + 26;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="11" fill="#333">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    text(LEFT, 16, title, 'font-size="13"'),
    `<path d="M${LEFT},${TOP}V${TOP + PANEL}H${WIDTH - 10}M${LEFT},${second}V${second + PANEL}H${WIDTH - 10}" stroke="#999" fill="none"/>`,
    `<path d="M${LEFT},${f(yRatio(1))}H${WIDTH - 10}" stroke="#c0392b" stroke-dasharray="4 3"/>`,
    ...dots,
    text(4, yRatio(1) + 4, 'budget'),
    text(4, TOP + 8, `${most}x`),
    text(LEFT + 4, TOP + 10, 'latency / budget; red: over it'),
    `<path d="${best}" stroke="#e0a030" stroke-width="3" fill="none" opacity="0.7"/>`,
    `<path d="${ours}" stroke="#2c6e9b" stroke-width="1.3" fill="none"/>`,
    text(4, second + 10, high.toFixed(1)),
    text(4, second + PANEL, low.toFixed(1)),
    text(LEFT + 4, second - 6, 'accuracy of the route, points; blue: controller, orange: oracle'),
    text(LEFT, second + PANEL + 16, '0 s'),
    text(WIDTH - 48, second + PANEL + 16, `${f(seconds)} s`),
    '</svg>',
    '',
  ].join('\n');
}
