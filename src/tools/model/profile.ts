/** Which routes `profile` measures, what the predictor makes of a few of them, and how far it is off on the others. Pure. */
import type { Manifest, PriorsSpec } from '../../bundle/manifest';
import { fitCosts, relativeErrors } from '../../control/predict';
import { routesToMeasure } from '../../control/profile';
import { typicalTimings } from '../../control/typical';
import type { Visit } from '../../control/typical';
import { quantileSorted } from '../../core/stats';
import type { RouteInfo } from '../../core/types';
import { paretoFront } from './pareto';
import { namedRoutes } from './route-names';

export interface ProfilePlan {
  /** Routes that the table is about: the Pareto front, or those that were named. */
  readonly wanted: readonly RouteInfo[];
  /** Measured, for the predictor to be fitted on: the anchors and a few stitched routes. */
  readonly fit: readonly RouteInfo[];
  /** Measured, to show how far the prediction is off. */
  readonly heldOut: readonly RouteInfo[];
}

/** What one route costs; times in milliseconds. */
export interface ProfiledRoute {
  readonly id: string;
  readonly macs: number;
  readonly top1?: number;
  /** At the pace that the machine had most of the time; absent where the route was not run. */
  readonly medianMs?: number;
  /** Between the quartiles of the frames as they were. */
  readonly spreadMs?: number;
  /** By the predictor, which saw the routes of role `fit` only. */
  readonly predictedMs: number;
  /** (predicted − measured) / measured. */
  readonly error?: number;
  readonly role: 'fit' | 'held out' | 'predicted';
}

export interface ProfileReport {
  /** Cheapest in MACs first. */
  readonly routes: readonly ProfiledRoute[];
  /** Of |error| over the held-out routes; absent where there is none. */
  readonly heldOut?: { readonly routes: number; readonly medianError: number; readonly worstError: number };
}

/** Held-out routes of a run that measures only a few. */
const FEW_HELD_OUT = 5;

/**
 * `named`: ids instead of the Pareto front, or `all`. A bundle without measured accuracies has no front: then all routes count.
 * `stitched`: how many stitched routes the predictor is fitted on. `few`: measure no more than the fit and its test need.
 * Errors: route-unknown.
 */
export function planProfile(
  { routes }: Pick<Manifest, 'routes'>,
  { named, stitched, few }: { readonly named?: readonly string[]; readonly stitched: number; readonly few: boolean },
): ProfilePlan {
  const wanted = wantedRoutes(routes, named);
  const anchors = routes.filter(({ path }) => path.length === 1);
  const candidates = routes.filter((route) => wanted.includes(route) || anchors.includes(route));
  // Of few routes half are left to test the prediction on.
  const most = Math.floor((candidates.length - anchors.length) / 2);
  const { fit, heldOut } = routesToMeasure(candidates, Math.min(stitched, most), few ? FEW_HELD_OUT : candidates.length);
  return { wanted, fit, heldOut };
}

function wantedRoutes(routes: Manifest['routes'], named: readonly string[] | undefined): Manifest['routes'] {
  if (named !== undefined) return namedRoutes({ routes }, named);
  const front = new Set(paretoFront(routes));
  return front.size > 0 ? routes.filter(({ id }) => front.has(id)) : routes;
}

/** `visits`: in the order of time, in rounds over the routes; at least one for every route of `fit` and `heldOut`. */
export function reportOf(
  all: readonly RouteInfo[],
  { wanted, fit, heldOut }: ProfilePlan,
  visits: readonly Visit[],
): ProfileReport {
  const typical = typicalTimings(visits, fitCosts(all, []).costs);
  const measured = new Map(
    typical.map(({ route, medianMs }) => {
      const sorted = visits.flatMap((one) => (one.route === route ? one.samplesMs : [])).sort((a, b) => a - b);
      return [route, { medianMs, spreadMs: quantileSorted(sorted, 0.75) - quantileSorted(sorted, 0.25) }];
    }),
  );
  const timings = (routes: readonly RouteInfo[]) => typical.filter((one) => routes.some(({ id }) => id === one.route));
  const { costs } = fitCosts(all, timings(fit));
  const errors = new Map(relativeErrors(costs, timings([...fit, ...heldOut])).map(({ route, error }) => [route, error]));
  const held = heldOut.map(({ id }) => Math.abs(errors.get(id)!)).sort((a, b) => a - b);
  const routes = [...new Set([...wanted, ...fit, ...heldOut])]
    .sort((a, b) => a.macs - b.macs)
    .map(({ id, macs, top1 }): ProfiledRoute => {
      const error = errors.get(id);
      return {
        id,
        macs,
        ...(top1 === undefined ? {} : { top1 }),
        ...measured.get(id),
        predictedMs: costs.get(id)!,
        ...(error === undefined ? {} : { error }),
        role: fit.some((route) => route.id === id) ? 'fit' : measured.has(id) ? 'held out' : 'predicted',
      };
    });
  const summary = { routes: held.length, medianError: quantileSorted(held, 0.5), worstError: held.at(-1) ?? 0 };
  return { routes, ...(held.length === 0 ? {} : { heldOut: summary }) };
}

/** The manifest's priors with this measurement in the place of an earlier one on the same executor and adapter. */
export function withPriors(priors: readonly PriorsSpec[] = [], measured: PriorsSpec): readonly PriorsSpec[] {
  const same = (one: PriorsSpec) => one.executor === measured.executor && one.adapter === measured.adapter;
  return [...priors.filter((one) => !same(one)), measured];
}
