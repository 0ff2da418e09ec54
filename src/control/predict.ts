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

export interface CostFit {
  /** Expected ms of every route by id; always positive and finite. */
  readonly costs: ReadonlyMap<string, number>;
  /** The part of every route's time that no block or stitch accounts for, ms; 0 where it is not known. */
  readonly overheadMs: number;
}

/** As {@link fitCosts}, without the overhead. */
export function predictCosts(routes: readonly RouteInfo[], timings: readonly CostSample[]): ReadonlyMap<string, number> {
  return fitCosts(routes, timings).costs;
}

/**
 * `timings` are of this device, `priors` of another one: they give the ratios that MACs give where there are none, and count
 * only where the timings leave something open. Samples of unknown routes or without a positive time are ignored.
 */
export function fitCosts(
  routes: readonly RouteInfo[],
  timings: readonly CostSample[],
  priors: readonly CostSample[] = [],
): CostFit {
  const samples = usable(routes, timings);
  const anchors = anchorsOf(routes);
  const known = usable(routes, priors);
  // One timing is a scale and no ratio, so it says no more than MACs do.
  const columns = known.length < 2 ? macsPerColumn(routes, anchors) : fitColumns(anchors, known, macsPerColumn(routes, anchors)); // prettier-ignore
  const untimed = ({ path, macs }: RouteInfo): number => {
    const ms = known.length < 2 ? Math.max(macs, 1) : dot(countsOf({ path }, anchors), columns);
    return ms > 0 ? ms : Math.max(macs, 1);
  };
  const scale = samples.length
    ? Math.exp(samples.reduce((sum, { info, medianMs }) => sum + Math.log(medianMs / untimed(info)), 0) / samples.length)
    : known.length < 2
      ? 1 / MACS_PER_MS
      : 1;
  const fitted = samples.length < 2 ? undefined : fitColumns(anchors, samples, columns.map((one) => one * scale)); // prettier-ignore
  const costs = new Map(
    routes.map((route) => {
      const ms = fitted ? dot(countsOf(route, anchors), fitted) : 0;
      return [route.id, ms > 0 ? ms : untimed(route) * scale];
    }),
  );
  const overheadMs = fitted?.[0] ?? (known.length < 2 ? 0 : (columns[0] ?? 0) * scale);
  return { costs, overheadMs };
}

interface Sample {
  readonly info: RouteInfo;
  readonly medianMs: number;
}

function usable(routes: readonly RouteInfo[], timings: readonly CostSample[]): Sample[] {
  const byId = new Map(routes.map((route) => [route.id, route]));
  return timings.flatMap(({ route, medianMs }) => {
    const info = byId.get(route);
    return info && medianMs > 0 && Number.isFinite(medianMs) ? [{ info, medianMs }] : [];
  });
}

function anchorsOf(routes: readonly RouteInfo[]): string[] {
  return [...new Set(routes.flatMap(({ path }) => path.flatMap((step) => ('anchor' in step ? [step.anchor] : []))))];
}

/** Ms of overhead, a block of each anchor, and a stitch; `prior` is the same before anything was measured. */
function fitColumns(anchors: readonly string[], samples: readonly Sample[], prior: readonly number[]): number[] {
  const typical = samples.reduce((sum, sample) => sum + sample.medianMs, 0) / samples.length;
  // The prior may be in another unit (MACs, ms of another device): only its ratios are taken.
  const unit = typical / Math.max(mean(samples.map(({ info }) => dot(countsOf(info, anchors), prior))), Number.MIN_VALUE);
  const ms = prior.map((one) => one * unit);
  // Columns are scaled so that the prior is 1 in each; an overhead without a prior is measured in typical latencies instead.
  const scale = ms.map((one, column) => (column === 0 ? typical : Math.max(one, typical * 1e-3)));
  const centre = ms.map((one, column) => one / (scale[column] ?? 1));
  const ridge = ms.map((_, column) => (column === 0 ? RIDGE_OVERHEAD : RIDGE));
  const rows = samples.map(({ info, medianMs }) => ({
    x: countsOf(info, anchors).map((count, column) => (count * (scale[column] ?? 0)) / medianMs),
    y: 1,
  }));
  return nonNegativeRidge(rows, centre, ridge).map((weight, column) => weight * (scale[column] ?? 0));
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);

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
function countsOf(route: Pick<RouteInfo, 'path'>, anchors: readonly string[]): number[] {
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
  const rows = routes.map((route) => ({ x: countsOf(route, anchors), y: macsOf(route) / scale }));
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
