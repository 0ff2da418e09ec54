/** One time a route, out of visits on a device whose speed changed meanwhile. Pure. */
import { quantileSorted } from '../core/stats';
import type { CostSample } from './predict';

/** Some frames of one route, run one after another. */
export interface Visit {
  readonly route: string;
  readonly samplesMs: readonly number[];
}

/** Visits on each side whose median is the device's pace; wider follows changes late, narrower takes routes for changes. */
const HALF_WINDOW = 4;
const SWEEPS = 30;
const CONVERGED = 1e-4;

/**
 * The routes' times at the speed that the device had most of the time. `visits`: in the order of time, best in rounds that visit
 * every route, each in the same order. `guess`: expected times in any unit, for example by MACs; it decides where the visits allow for two readings
 * (which visits were the slow ones), and nothing else.
 *
 * Log time is a route's own part plus the device's at that moment, noise aside. The device's is a running median over some
 * visits, which follows a lasting change at once and a single slow visit not at all; the route's is the median of what is left.
 * They are found in turn, as in Tukey's median polish.
 */
export function typicalTimings(visits: readonly Visit[], guess: ReadonlyMap<string, number>): CostSample[] {
  const all = visits.filter(({ samplesMs }) => samplesMs.length > 0);
  const routes = [...new Set(all.map(({ route }) => route))];
  const logs = all.map(({ samplesMs }) => samplesMs.map(Math.log));
  const middle = logs.map(median);
  const index = all.map(({ route }) => routes.indexOf(route));
  // The times of two routes, or of one round, say as much of the routes as of the device: then they are taken as they are.
  const half = routes.length < 3 || all.length < 2 * routes.length ? 0 : Math.min(HALF_WINDOW, Math.floor(routes.length / 2));
  let own = routes.map((route) => Math.log(guess.get(route) ?? NaN));
  if (half === 0 || !own.every(Number.isFinite)) own = ownParts(middle.map(() => 0));
  let pace = middle.map(() => 0);
  for (let sweep = 0; half > 0 && sweep < SWEEPS; sweep++) {
    const left = middle.map((log, visit) => log - (own[index[visit] ?? 0] ?? 0));
    const followed = left.map((_, visit) => median(left.slice(Math.max(0, visit - half), visit + half + 1)));
    const usual = median(followed);
    pace = followed.map((log) => log - usual);
    const next = ownParts(pace);
    const moved = Math.max(...next.map((log, route) => Math.abs(log - (own[route] ?? 0))));
    own = next;
    if (moved < CONVERGED) break;
  }
  return routes.map((route, at) => ({ route, medianMs: Math.exp(own[at] ?? 0) }));

  function ownParts(paceAt: readonly number[]): number[] {
    return routes.map((_, route) =>
      median(
        logs.flatMap((samples, visit) => (index[visit] === route ? samples.map((log) => log - (paceAt[visit] ?? 0)) : [])),
      ),
    );
  }
}

function median(values: readonly number[]): number {
  return quantileSorted([...values].sort((a, b) => a - b), 0.5); // prettier-ignore
}
