/**
 * What each route costs on this device, from a few measured ones.
 *
 *     latency = overhead + Σ over anchors of blocks · cost(anchor) + stitches · cost(stitch)
 *
 * Fitted by non-negative ridge least squares on relative errors. The ridge pulls towards latencies proportional to MACs, so
 * that directions the samples leave open (one sample, an anchor never run) fall back to the MAC count instead of to zero.
 */
import type { RouteInfo } from '../core/types';

/** Median latency of one route; `medianMs` > 0. */
export interface CostSample {
  readonly route: string;
  readonly medianMs: number;
}

/** Strength of the pull towards MACs, relative to one sample of relative error 1. */
const RIDGE = 1e-3;
/** The pull on overhead is weaker: MACs know nothing of it. */
const RIDGE_OVERHEAD = 1e-4;
/** Keeps the MAC fit solvable where columns are collinear; small enough not to be seen in it. */
const RIDGE_MACS = 1e-9;
const SWEEPS = 2000;
const CONVERGED = 1e-10;
/** With nothing measured only ratios matter (the controller learns the scale): 100 million MACs a millisecond. */
const MACS_PER_MS = 1e8;

/** Expected ms of every route by id; always positive and finite. Samples of unknown routes or without a positive time are ignored. */
export function predictCosts(routes: readonly RouteInfo[], timings: readonly CostSample[]): Map<string, number> {
  const byId = new Map(routes.map((route) => [route.id, route]));
  const samples = timings.flatMap(({ route, medianMs }) => {
    const info = byId.get(route);
    return info && medianMs > 0 && Number.isFinite(medianMs) ? [{ info, medianMs }] : [];
  });
  const msPerMac = samples.length
    ? Math.exp(samples.reduce((sum, { info, medianMs }) => sum + Math.log(medianMs / macsOf(info)), 0) / samples.length)
    : 1 / MACS_PER_MS;
  const cost = new Map<string, number>();
  if (samples.length < 2) {
    for (const route of routes) cost.set(route.id, macsOf(route) * msPerMac);
    return cost;
  }

  const anchors = [
    ...new Set(routes.flatMap((route) => route.path.flatMap((step) => ('anchor' in step ? [step.anchor] : [])))),
  ];
  const prior = macsPerColumn(routes, anchors).map((macs) => macs * msPerMac);
  const typical = samples.reduce((sum, sample) => sum + sample.medianMs, 0) / samples.length;
  // Columns are scaled so that the MAC prior is 1 in each; overhead is measured in typical latencies instead.
  const scale = prior.map((ms, column) => (column === 0 ? typical : Math.max(ms, typical * 1e-3)));
  const centre = prior.map((ms, column) => (column === 0 ? 0 : ms / (scale[column] ?? 1)));
  const ridge = prior.map((_, column) => (column === 0 ? RIDGE_OVERHEAD : RIDGE));
  const rows = samples.map(({ info, medianMs }) => ({
    x: columns(info, anchors).map((count, column) => (count * (scale[column] ?? 0)) / medianMs),
    y: 1,
  }));
  const weights = nonNegativeRidge(rows, centre, ridge);
  for (const route of routes) {
    const ms = columns(route, anchors).reduce((sum, n, column) => sum + n * (scale[column] ?? 0) * (weights[column] ?? 0), 0);
    cost.set(route.id, ms > 0 ? ms : macsOf(route) * msPerMac);
  }
  return cost;
}

/** (predicted − measured) / measured for every sample whose route has a prediction. */
export function relativeErrors(
  costs: ReadonlyMap<string, number>,
  timings: readonly CostSample[],
): readonly { readonly route: string; readonly error: number }[] {
  return timings.flatMap(({ route, medianMs }) => {
    const predicted = costs.get(route);
    return predicted === undefined || !(medianMs > 0) ? [] : [{ route, error: predicted / medianMs - 1 }];
  });
}

function macsOf(route: RouteInfo): number {
  return Math.max(route.macs, 1);
}

/** [1, blocks of each anchor…, stitches] */
function columns(route: RouteInfo, anchors: readonly string[]): number[] {
  const counts = new Array<number>(anchors.length + 2).fill(0);
  counts[0] = 1;
  for (const step of route.path) {
    const column = 'anchor' in step ? 1 + anchors.indexOf(step.anchor) : counts.length - 1;
    counts[column] = (counts[column] ?? 0) + ('anchor' in step ? step.to - step.from + 1 : 1);
  }
  return counts;
}

/** MACs of one block of each anchor and of one stitch, read off the routes' own counts. */
function macsPerColumn(routes: readonly RouteInfo[], anchors: readonly string[]): number[] {
  const scale = Math.max(...routes.map(macsOf));
  const rows = routes.map((route) => ({ x: columns(route, anchors), y: macsOf(route) / scale }));
  const size = anchors.length + 2;
  // An intercept would swallow the blocks, because all routes have about as many; a heavy ridge keeps it at zero.
  const ridge = new Array<number>(size).fill(RIDGE_MACS);
  ridge[0] = 1e3 * rows.length;
  return nonNegativeRidge(rows, new Array<number>(size).fill(0), ridge).map((share) => share * scale);
}

/** argmin over w ≥ 0 of Σ (x·w − y)² + Σ ridge·(w − centre)², by coordinate descent. */
function nonNegativeRidge(
  rows: readonly { readonly x: readonly number[]; readonly y: number }[],
  centre: readonly number[],
  ridge: readonly number[],
): number[] {
  const size = centre.length;
  const gram = centre.map((_, i) => centre.map((__, j) => rows.reduce((sum, { x }) => sum + (x[i] ?? 0) * (x[j] ?? 0), 0)));
  const moment = centre.map((_, i) => rows.reduce((sum, { x, y }) => sum + (x[i] ?? 0) * y, 0));
  const w = [...centre];
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    let moved = 0;
    for (let i = 0; i < size; i++) {
      const row = gram[i] ?? [];
      const own = row[i] ?? 0;
      const pull = ridge[i] ?? 0;
      const before = w[i] ?? 0;
      const rest = row.reduce((sum, value, j) => sum + value * (w[j] ?? 0), 0) - own * before;
      const next = Math.max(0, ((moment[i] ?? 0) - rest + pull * (centre[i] ?? 0)) / (own + pull || 1));
      moved = Math.max(moved, Math.abs(next - before));
      w[i] = next;
    }
    if (moved < CONVERGED) break;
  }
  return w;
}
