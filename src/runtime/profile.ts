/** What each route costs on this device: a few routes are measured, the predictor fills in the rest. */
import { buildLadder, sortRungs } from '../control/ladder';
import { predictCosts } from '../control/predict';
import type { Rung } from '../control/types';
import type { RouteInfo } from '../core/types';
import type { Link } from './link';

/** Frames a route at start: enough for a median, few enough for a start without a wait. */
const FRAMES = 3;
/** Stitched routes measured beside the anchors. */
const STITCHED = 3;

/** The anchors, and stitched routes spread over the MAC range. */
export function routesToMeasure(routes: readonly RouteInfo[]): RouteInfo[] {
  const anchors = routes.filter((r) => r.path.length === 1);
  const stitched = routes.filter((r) => r.path.length > 1).sort((a, b) => a.macs - b.macs);
  const picks = Array.from(
    { length: Math.min(STITCHED, stitched.length) },
    (_, i, all = Math.min(STITCHED, stitched.length)) => {
      return stitched[Math.floor(((i + 0.5) / all) * stitched.length)];
    },
  );
  return [...anchors, ...picks.filter((r) => r !== undefined)];
}

/** Expected milliseconds of every route, and the routes worth using. */
export interface Profile {
  readonly costs: ReadonlyMap<string, number>;
  readonly ladder: readonly Rung[];
}

/** Errors: those of `calibrate`. */
export async function measureProfile(link: Link, routes: readonly RouteInfo[]): Promise<Profile> {
  const timings = await link.calibrate(
    routesToMeasure(routes).map((r) => r.id),
    FRAMES,
  );
  const costs = predictCosts(routes, timings);
  return { costs, ladder: buildLadder(routes, costs) };
}

/** The ladder with `id` on it, at its expected cost. The same ladder where it is there already. */
export function withRoute(
  ladder: readonly Rung[],
  routes: readonly RouteInfo[],
  costs: ReadonlyMap<string, number>,
  id: string,
): readonly Rung[] {
  if (ladder.some((rung) => rung.id === id)) return ladder;
  const route = routes.filter((r) => r.id === id);
  return sortRungs([...ladder, ...buildLadder(route, costs)]);
}
