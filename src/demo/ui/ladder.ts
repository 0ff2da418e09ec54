/**
 * The ladder as a picture: a row of patches for every anchor, one patch a block, and the current route sewn through them.
 * A stitch is the slanted thread between two rows. Everything drawn comes from `path`; any number of stitches works.
 */
import type { AnchorInfo, RouteInfo, RoutePath } from '../../index';
import { byId, make, svg } from './dom';

const GAP = 6;
const PAD = 14;
const TEXT = 20;
const ROW_GAP = 18;
const LOWEST = 18;
const HIGHEST = 40;

interface Row {
  readonly anchor: AnchorInfo;
  readonly top: number;
  readonly height: number;
  readonly middle: number;
}

type Point = readonly [x: number, y: number];

/** The smallest anchor lies at the bottom: up means better and dearer. Wider networks get taller patches. */
function rowsOf(anchors: readonly AnchorInfo[]): readonly Row[] {
  const widest = Math.max(...anchors.map((anchor) => anchor.dim));
  let top = 0;
  return [...anchors]
    .sort((a, b) => b.dim * b.depth - a.dim * a.depth)
    .map((anchor) => {
      const height = Math.round(LOWEST + (HIGHEST - LOWEST) * (anchor.dim / widest));
      const row = { anchor, top: top + TEXT, height, middle: top + TEXT + height / 2 };
      top += TEXT + height + ROW_GAP;
      return row;
    });
}

interface Geometry {
  readonly rows: readonly Row[];
  readonly width: number;
  readonly height: number;
  readonly block: number;
}

function layOut(anchors: readonly AnchorInfo[], width: number): Geometry {
  const rows = rowsOf(anchors);
  const depth = Math.max(...anchors.map((anchor) => anchor.depth), 1);
  const block = (width - 2 * PAD - GAP * (depth - 1)) / depth;
  const last = rows.at(-1);
  return { rows, width, height: last === undefined ? 0 : last.top + last.height + 8, block };
}

/** Bundles often say the width in the name; then it is not said twice. */
function rowName({ name, depth, dim }: AnchorInfo): string {
  return `${name} · ${depth} blocks${name.includes(String(dim)) ? '' : ` · width ${dim}`}`;
}

/** The corners of the thread: in at the left, along each span, slanted at each stitch, out at the right. */
function threadOf(path: RoutePath, { rows, block, width }: Geometry): readonly Point[] {
  const left = (index: number) => PAD + index * (block + GAP);
  const points: Point[] = [];
  for (const step of path) {
    if ('stitch' in step) continue;
    const row = rows.find((one) => one.anchor.id === step.anchor);
    if (row === undefined) continue;
    // The thread leaves a span inside its last patch and enters the next one inside its first, so that the slant is seen even
    // where both lie in the same column or where the route goes back.
    const inset = block * 0.3;
    points.push([points.length === 0 ? 0 : left(step.from) + inset, row.middle]);
    points.push([left(step.to) + block - inset, row.middle]);
  }
  const end = points.at(-1);
  if (end !== undefined) points[points.length - 1] = [width, end[1]];
  return points;
}

/** In words, for those who do not see the picture. */
function describePath(path: RoutePath, anchors: readonly AnchorInfo[]): string {
  const name = (id: string) => anchors.find((anchor) => anchor.id === id)?.name ?? id;
  const parts = path.map((step) => {
    if ('stitch' in step) return 'a stitch';
    return step.from === step.to
      ? `block ${step.from + 1} of ${name(step.anchor)}`
      : `blocks ${step.from + 1} to ${step.to + 1} of ${name(step.anchor)}`;
  });
  return parts.join(', then ');
}

interface LadderPicture {
  render(anchors: readonly AnchorInfo[], route: RouteInfo | undefined): void;
}

export function createLadderPicture(): LadderPicture {
  const box = byId('ladder', HTMLDivElement);
  const nothing = make('p', 'soft', 'The networks and the route through them appear here once they are loaded.');
  box.append(nothing);
  let anchors: readonly AnchorInfo[] = [];
  let route: RouteInfo | undefined;
  let width = 0;

  const draw = () => {
    if (anchors.length === 0) return box.replaceChildren(nothing);
    if (width === 0) return;
    const geometry = layOut(anchors, width);
    const words = route === undefined ? 'No route yet.' : `Current route: ${describePath(route.path, anchors)}.`;
    const picture = svg('svg', {
      viewBox: `0 0 ${width} ${geometry.height}`,
      width,
      height: geometry.height,
      role: 'img',
      'aria-label': words,
    });
    // On a lit patch the thread changes colour, so that it can be seen there too.
    const labels: SVGTextElement[] = [];
    const patches = svg('clipPath', { id: 'lit-patches' });
    for (const row of geometry.rows) {
      const { anchor, top, height } = row;
      const lit = (index: number) =>
        route?.path.some((s) => !('stitch' in s) && s.anchor === anchor.id && s.from <= index && index <= s.to) === true;
      const label = svg('text', { x: PAD, y: top - 6, class: 'row-name' });
      label.textContent = rowName(anchor);
      labels.push(label);
      for (let i = 0; i < anchor.depth; i++) {
        const x = PAD + i * (geometry.block + GAP);
        const patch = { x, y: top, width: geometry.block, height, rx: 4 };
        picture.append(svg('rect', { ...patch, class: lit(i) ? 'block lit' : 'block' }));
        if (lit(i)) patches.append(svg('rect', patch));
      }
    }
    if (route !== undefined) {
      const points = threadOf(route.path, geometry);
      const d = points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');
      picture.append(svg('path', { d, class: 'thread' }));
      if (patches.childElementCount > 0)
        picture.append(patches, svg('path', { d, class: 'thread on', 'clip-path': 'url(#lit-patches)' }));
      for (const [x, y] of stitchEnds(route.path, points))
        picture.append(svg('circle', { cx: x.toFixed(1), cy: y.toFixed(1), r: 3.5, class: 'knot' }));
    }
    // Last, so that a stitch that crosses a name does not hide it.
    picture.append(...labels);
    box.replaceChildren(picture);
  };

  new ResizeObserver(() => {
    const now = Math.floor(box.clientWidth);
    if (now === width) return;
    width = now;
    draw();
  }).observe(box);

  return {
    render(nextAnchors, nextRoute) {
      if (nextAnchors === anchors && nextRoute === route) return;
      anchors = nextAnchors;
      route = nextRoute;
      draw();
    },
  };
}

/** Where stitches leave and enter: every corner but the two ends. */
function stitchEnds(path: RoutePath, points: readonly Point[]): readonly Point[] {
  return path.length > 1 ? points.slice(1, -1) : [];
}
