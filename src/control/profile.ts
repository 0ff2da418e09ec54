/** A device's profile: which routes to measure, what follows for the others, and how good that is. Pure. */
import { quantileSorted } from '../core/stats';
import type { RouteInfo } from '../core/types';
import { fitCosts } from './predict';
import type { CostSample } from './predict';
import type { DeviceProfile, RouteCost } from './types';

export const PROFILE_FORMAT = 'running-stitch-profile/1';

export interface ProfileOptions {
  /** See {@link DeviceProfile}.key. */
  readonly key: string;
  /** Date.now() of the measurement. */
  readonly at: number;
  readonly source: DeviceProfile['source'];
  /** Timings of another device, for what stays open here. */
  readonly priors?: readonly CostSample[];
  /** Measured, but not to be fitted before the error is taken from them. */
  readonly heldOut?: ReadonlySet<string>;
}

/**
 * The routes to measure, most telling first: the anchors, then stitched routes spread over the range of MACs. `heldOut` are
 * further ones, between those, whose only purpose is to show how far the prediction is off.
 */
export function routesToMeasure(
  routes: readonly RouteInfo[],
  stitched: number,
  heldOut: number,
): { readonly fit: readonly RouteInfo[]; readonly heldOut: readonly RouteInfo[] } {
  const anchors = routes.filter(({ path }) => path.length === 1);
  const others = routes.filter(({ path }) => path.length > 1).sort((a, b) => a.macs - b.macs);
  const fit = spread(others, stitched);
  const left = others.filter((route) => !fit.includes(route));
  return { fit: [...anchors, ...fit], heldOut: spread(left, heldOut) };
}

/** `count` of `all`, in the middle of as many equal parts. */
function spread<T>(all: readonly T[], count: number): T[] {
  const n = Math.min(count, all.length);
  return Array.from({ length: n }, (_, i) => all[Math.floor(((i + 0.5) / n) * all.length)]).filter((one) => one !== undefined);
}

function median(values: readonly number[]): number {
  return quantileSorted([...values].sort((a, b) => a - b), 0.5); // prettier-ignore
}

/** The profile that these timings make. Timings of unknown routes or without a positive time are ignored. */
export function profileOf(
  routes: readonly RouteInfo[],
  given: readonly CostSample[],
  { key, at, source, priors = [], heldOut = new Set() }: ProfileOptions,
): DeviceProfile {
  // A clock that is kept coarse says 0.
  const timings = given.filter(({ medianMs }) => medianMs > 0 && Number.isFinite(medianMs));
  const { costs, overheadMs } = fitCosts(routes, timings, priors);
  const measured = new Map(timings.map(({ route, medianMs }) => [route, medianMs]));
  return {
    format: PROFILE_FORMAT,
    key,
    measuredAt: new Date(at).toISOString(),
    overheadMs,
    routes: routes.map(({ id }): RouteCost => {
      const measuredMs = measured.get(id);
      return { route: id, predictedMs: costs.get(id) ?? 0, ...(measuredMs === undefined ? {} : { measuredMs }) };
    }),
    medianError: medianErrorOf(routes, timings, priors, heldOut),
    source,
  };
}

/** Of routes that the fit in question was not made from; -1 where there is none. */
function medianErrorOf(
  routes: readonly RouteInfo[],
  timings: readonly CostSample[],
  priors: readonly CostSample[],
  heldOut: ReadonlySet<string>,
): number {
  const tested = timings.filter(({ route }) => heldOut.has(route));
  const judge = (against: readonly CostSample[], from: readonly CostSample[]): number[] => {
    const { costs } = fitCosts(routes, from, priors);
    return against.map(({ route, medianMs }) => Math.abs((costs.get(route) ?? NaN) / medianMs - 1));
  };
  const errors = tested.length
    ? judge(
        tested,
        timings.filter(({ route }) => !heldOut.has(route)),
      )
    : timings.length > 2
      ? timings.flatMap((one) => judge([one], timings.filter((other) => other !== one))) // prettier-ignore
      : [];
  const known = errors.filter(Number.isFinite);
  return known.length ? median(known) : -1;
}

/** Expected ms by route. */
export function costsOf(profile: DeviceProfile): ReadonlyMap<string, number> {
  return new Map(profile.routes.map(({ route, predictedMs }) => [route, predictedMs]));
}

/** Whether something read from a store is a profile of just these routes under this key. */
export function isProfileFor(value: unknown, key: string, routes: readonly RouteInfo[]): value is DeviceProfile {
  if (typeof value !== 'object' || value === null) return false;
  const { format, key: own, routes: costs, overheadMs, medianError, measuredAt } = value as Partial<DeviceProfile>;
  if (format !== PROFILE_FORMAT || own !== key || !Array.isArray(costs)) return false;
  const given = costs as readonly (Partial<RouteCost> | null)[];
  const byId = new Map(given.map((cost) => [cost?.route, cost?.predictedMs]));
  const positive = (ms: unknown): boolean => typeof ms === 'number' && ms > 0 && Number.isFinite(ms);
  return (
    typeof overheadMs === 'number' &&
    typeof medianError === 'number' &&
    typeof measuredAt === 'string' &&
    given.every((cost) => cost && (cost.measuredMs === undefined || positive(cost.measuredMs))) &&
    byId.size === routes.length &&
    routes.every(({ id }) => positive(byId.get(id)))
  );
}
