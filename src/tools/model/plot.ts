/** Accuracy against multiply-accumulates as an SVG: anchors, stitched routes and the Pareto front, as in the paper's figures. */
import type { Manifest } from '../../bundle/manifest';
import { paretoFront } from './pareto';

export interface PlotRoute {
  readonly id: string;
  readonly macs: number;
  readonly top1: number;
  /** Name of the anchor where the route is one alone. */
  readonly anchor?: string;
}

const [WIDTH, HEIGHT] = [880, 560];
const FRAME = { left: 72, right: 28, top: 96, bottom: 60 } as const;

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
const percent = (top1: number): string => `${(top1 * 100).toFixed(2)} %`;

/** Follows the reader's colour scheme, also inside an <img>. */
const STYLE = `
svg{--ground:#fff;--ink:#1f2937;--quiet:#6b7280;--grid:#e5e7eb;--anchor:#c2410c;--front:#1d4ed8;--rest:#94a3b8}
@media(prefers-color-scheme:dark){svg{--ground:#0f172a;--ink:#e5e7eb;--quiet:#9ca3af;--grid:#273449;--anchor:#fb923c;--front:#60a5fa;--rest:#64748b}}
text{font:13px system-ui,-apple-system,'Segoe UI',sans-serif;fill:var(--ink)}
.title{font-weight:600;font-size:16px}.caption,.tick{fill:var(--quiet)}.name{font-weight:600;paint-order:stroke;stroke:var(--ground);stroke-width:4px}
.ground{fill:var(--ground)}.grid path{stroke:var(--grid)}
.anchor{fill:var(--anchor);stroke:var(--ground);stroke-width:1.5}.front{fill:var(--front);stroke:var(--ground);stroke-width:1}
.rest{fill:var(--ground);stroke:var(--rest);stroke-width:1.5}
.line{fill:none;stroke:var(--front);stroke-width:2}.straight{fill:none;stroke:var(--anchor);stroke-width:1.5;stroke-dasharray:2 5;stroke-linecap:round}
`;

const DIAMOND = 'M0 -8L8 0L0 8L-8 0Z';
const LEGEND: readonly (readonly [mark: string, text: string, width: number])[] = [
  [`<path class="anchor" d="${DIAMOND}"/>`, 'anchor', 94],
  ['<circle class="front" r="4.5"/>', 'stitched, on the Pareto front', 222],
  ['<circle class="rest" r="4"/>', 'stitched, dominated', 168],
  ['<path class="straight" d="M-8 0H8"/>', 'straight between anchors', 190],
];

/** The routes of a manifest that have an accuracy, and who is an anchor. */
export function plotRoutes({ anchors, routes }: Pick<Manifest, 'anchors' | 'routes'>): readonly PlotRoute[] {
  const names = new Map(anchors.map(({ id, name }) => [id, name]));
  return routes.flatMap(({ id, macs, top1, path }) => {
    if (top1 === undefined) return [];
    const [only] = path;
    const anchor = path.length === 1 && only !== undefined && 'anchor' in only ? names.get(only.anchor) : undefined;
    return [{ id, macs, top1, ...(anchor === undefined ? {} : { anchor }) }];
  });
}

/** A complete SVG document. `routes` must not be empty. The caption counts what is drawn; `note` is put behind it. */
export function accuracyPlot(title: string, routes: readonly PlotRoute[], note = ''): string {
  const giga = Math.max(...routes.map(({ macs }) => macs)) >= 1e9;
  const unit = giga ? 1e9 : 1e6;
  const xs = ticks(Math.min(...routes.map(({ macs }) => macs / unit)), Math.max(...routes.map(({ macs }) => macs / unit)), 7);
  const ys = ticks(Math.min(...routes.map(({ top1 }) => top1 * 100)), Math.max(...routes.map(({ top1 }) => top1 * 100)), 6);
  const scale = (value: number, marks: readonly number[], from: number, to: number) =>
    from + ((value - marks[0]!) / (marks.at(-1)! - marks[0]!)) * (to - from);
  const x = (macs: number) => scale(macs / unit, xs, FRAME.left, WIDTH - FRAME.right).toFixed(1);
  const y = (top1: number) => scale(top1 * 100, ys, HEIGHT - FRAME.bottom, FRAME.top).toFixed(1);
  const through = (points: readonly PlotRoute[]) =>
    [...points]
      .sort((a, b) => a.macs - b.macs)
      .map(({ macs, top1 }, index) => `${index === 0 ? 'M' : 'L'}${x(macs)} ${y(top1)}`)
      .join('');

  const grid = [
    ...xs.map((mark) => {
      const at = x(mark * unit);
      return `<path d="M${at} ${FRAME.top}V${HEIGHT - FRAME.bottom}"/><text class="tick" x="${at}" y="${HEIGHT - FRAME.bottom + 20}" text-anchor="middle">${short(mark)}</text>`;
    }),
    ...ys.map((mark) => {
      const at = y(mark / 100);
      return `<path d="M${FRAME.left} ${at}H${WIDTH - FRAME.right}"/><text class="tick" x="${FRAME.left - 10}" y="${at}" dy="4" text-anchor="end">${short(mark)}</text>`;
    }),
  ];
  const front = new Set(paretoFront(routes));
  const anchors = routes.filter(({ anchor }) => anchor !== undefined);
  const stitched = routes.filter(({ anchor }) => anchor === undefined);
  const told = ({ id, macs, top1 }: PlotRoute) =>
    `<title>${escape(id)}: ${short(macs / unit)} ${giga ? 'G' : 'M'}, ${percent(top1)}</title>`;
  // The front is drawn last, over what it dominates.
  const dots = [...stitched]
    .sort((a, b) => Number(front.has(a.id)) - Number(front.has(b.id)))
    .map((route) => {
      const [mark, radius] = front.has(route.id) ? ['front', 4.5] : ['rest', 4];
      return `<circle class="${mark}" cx="${x(route.macs)}" cy="${y(route.top1)}" r="${radius}">${told(route)}</circle>`;
    });
  const marks = anchors.map((route) => {
    const [cx, cy] = [Number(x(route.macs)), Number(y(route.top1))];
    // Stitched routes lie above the anchors mostly, so names go below, and inwards at the right edge.
    const left = cx > WIDTH * 0.6;
    const label = `<text class="name" x="${cx + (left ? -12 : 12)}" y="${cy + 24}" text-anchor="${left ? 'end' : 'start'}">${escape(route.anchor!)}, ${percent(route.top1)}</text>`;
    return `<path class="anchor" transform="translate(${cx} ${cy})" d="${DIAMOND}">${told(route)}</path>${label}`;
  });
  const legend = LEGEND.map(([mark, text], index) => {
    const before = LEGEND.slice(0, index).reduce((sum, [, , width]) => sum + width, 0);
    return `<g transform="translate(${FRAME.left + 8 + before} 72)">${mark}<text x="14" y="4">${text}</text></g>`;
  });
  const caption = `${routes.length} networks in one bundle: ${anchors.length} anchors, ${stitched.length} stitched routes; ${front.size} are on the Pareto front${note}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${escape(`${title}. ${caption}`)}">
<style>${STYLE}</style>
<rect class="ground" width="100%" height="100%" rx="8"/>
<text class="title" x="${FRAME.left}" y="28">${escape(title)}</text>
<text class="caption" x="${FRAME.left}" y="48">${escape(caption)}</text>
${legend.join('\n')}
<g class="grid">${grid.join('')}</g>
<path class="straight" d="${through(anchors)}"/>
<path class="line" d="${through(routes.filter(({ id }) => front.has(id)))}"/>
${[...dots, ...marks].join('\n')}
<text x="${(FRAME.left + WIDTH - FRAME.right) / 2}" y="${HEIGHT - 14}" text-anchor="middle">Multiply-accumulates an image, ${giga ? 'billions' : 'millions'}</text>
<text transform="translate(20 ${(HEIGHT - FRAME.bottom + FRAME.top) / 2}) rotate(-90)" text-anchor="middle">Top-1 accuracy, %</text>
</svg>
`;
}
