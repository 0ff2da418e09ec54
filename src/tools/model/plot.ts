/** Accuracy against multiply-accumulates as an SVG: anchors, stitched routes and the Pareto front, as in the paper's figures. */
import { paretoFront } from './pareto';

export interface PlotRoute {
  readonly id: string;
  readonly macs: number;
  readonly top1: number;
  /** Name of the anchor where the route is one alone. */
  readonly anchor?: string;
}

const [WIDTH, HEIGHT] = [860, 520];
const FRAME = { left: 68, right: 24, top: 52, bottom: 58 } as const;

/** About `wanted` round numbers that cover low…high. */
export function ticks(low: number, high: number, wanted: number): number[] {
  const raw = (high - low) / wanted || Math.abs(high) || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw * 0.999) ?? 10) * power;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: Math.max(1, last - first) + 1 }, (_, index) => (first + index) * step);
}

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
const short = (value: number): string => String(Number(value.toPrecision(6)));

/** A complete SVG document. `routes` must not be empty. */
export function accuracyPlot(title: string, routes: readonly PlotRoute[]): string {
  const giga = Math.max(...routes.map(({ macs }) => macs)) >= 1e9;
  const unit = giga ? 1e9 : 1e6;
  const xs = ticks(Math.min(...routes.map(({ macs }) => macs / unit)), Math.max(...routes.map(({ macs }) => macs / unit)), 7);
  const ys = ticks(Math.min(...routes.map(({ top1 }) => top1 * 100)), Math.max(...routes.map(({ top1 }) => top1 * 100)), 6);
  const scale = (value: number, marks: readonly number[], from: number, to: number) =>
    from + ((value - marks[0]!) / (marks.at(-1)! - marks[0]!)) * (to - from);
  const x = (macs: number) => scale(macs / unit, xs, FRAME.left, WIDTH - FRAME.right).toFixed(1);
  const y = (top1: number) => scale(top1 * 100, ys, HEIGHT - FRAME.bottom, FRAME.top).toFixed(1);

  const grid = [
    ...xs.map((mark) => {
      const at = x(mark * unit);
      return `<path d="M${at} ${FRAME.top}V${HEIGHT - FRAME.bottom}"/><text x="${at}" y="${HEIGHT - FRAME.bottom + 20}" text-anchor="middle">${short(mark)}</text>`;
    }),
    ...ys.map((mark) => {
      const at = y(mark / 100);
      return `<path d="M${FRAME.left} ${at}H${WIDTH - FRAME.right}"/><text x="${FRAME.left - 10}" y="${at}" dy="4" text-anchor="end">${short(mark)}</text>`;
    }),
  ];
  const front = new Set(paretoFront(routes));
  const line = routes.filter(({ id }) => front.has(id)).sort((a, b) => a.macs - b.macs);
  const note = ({ id, macs, top1 }: PlotRoute) =>
    `<title>${escape(id)}: ${short(macs / unit)} ${giga ? 'G' : 'M'}, ${(top1 * 100).toFixed(2)} %</title>`;
  const dots = routes
    .filter(({ anchor }) => anchor === undefined)
    .map(
      (route) =>
        `<circle class="${front.has(route.id) ? 'front' : 'rest'}" cx="${x(route.macs)}" cy="${y(route.top1)}" r="4">${note(route)}</circle>`,
    );
  const anchors = routes
    .filter(({ anchor }) => anchor !== undefined)
    .map((route) => {
      const [cx, cy] = [Number(x(route.macs)), Number(y(route.top1))];
      const left = cx > WIDTH / 2;
      const label = `<text class="name" x="${cx + (left ? -12 : 12)}" y="${cy + 18}" text-anchor="${left ? 'end' : 'start'}">${escape(route.anchor!)}</text>`;
      return `<rect class="anchor" x="${(cx - 6).toFixed(1)}" y="${(cy - 6).toFixed(1)}" width="12" height="12">${note(route)}</rect>${label}`;
    });
  const legend = [
    ['<rect class="anchor" x="-6" y="-6" width="12" height="12"/>', 'anchor'],
    ['<circle class="front" r="4"/>', 'stitched, on the Pareto front'],
    ['<circle class="rest" r="4"/>', 'stitched, dominated'],
  ].map(
    ([mark, text], index) =>
      `<g transform="translate(${FRAME.left + 12 + [0, 90, 300][index]!} 40)">${mark}<text x="12" y="4">${text}</text></g>`,
  );
  const path = line.map((route, index) => `${index === 0 ? 'M' : 'L'}${x(route.macs)} ${y(route.top1)}`).join('');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${escape(title)}">
<style>text{font:13px system-ui,sans-serif;fill:#333}.title{font-weight:600;font-size:15px}.name{font-weight:600}.grid path{stroke:#ddd}.anchor{fill:#c2410c}.front{fill:#1d4ed8}.rest{fill:#fff;stroke:#94a3b8;stroke-width:1.5}.line{fill:none;stroke:#1d4ed8;stroke-width:1.5}</style>
<rect width="100%" height="100%" fill="#fff"/>
<text class="title" x="${FRAME.left}" y="22">${escape(title)}</text>
<g class="grid">${grid.join('')}</g>
<path class="line" d="${path}"/>
${[...dots, ...anchors].join('\n')}
${legend.join('\n')}
<text x="${(FRAME.left + WIDTH - FRAME.right) / 2}" y="${HEIGHT - 14}" text-anchor="middle">${giga ? 'Billion' : 'Million'} multiply-accumulates an image</text>
<text transform="translate(18 ${(HEIGHT - FRAME.bottom + FRAME.top) / 2}) rotate(-90)" text-anchor="middle">Top-1 accuracy, %</text>
</svg>
`;
}
