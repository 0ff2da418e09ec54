/** What the panels say of a route. */
import type { RouteState } from '../../index';
import type { Loaded } from '../state';
import { ms, percent } from '../ui/words';

/** Expected milliseconds of a route on this device; NaN for one that the profile does not know. */
export function expectedMs({ profile }: Loaded, id: string): number {
  return profile.routes.find(({ route }) => route === id)?.predictedMs ?? NaN;
}

/** Measured top-1 where all routes have one; else the share of the largest route's MACs, as the ladder does it. */
export function accuracyOf({ routes }: Loaded, route: RouteState): number {
  if (routes.every(({ top1 }) => top1 !== undefined)) return route.top1 ?? 0;
  return route.macs / Math.max(...routes.map(({ macs }) => macs), 1);
}

export function macsWords(macs: number): string {
  return macs >= 1e9 ? `${(macs / 1e9).toFixed(2)} G` : `${(macs / 1e6).toFixed(macs < 1e7 ? 1 : 0)} M`;
}

/** One line about a route: cost, size, accuracy, and why it is not on the ladder where it is not. */
export function routeWords(loaded: Loaded, route: RouteState): string {
  const words = [`${route.id}: expected ${ms(expectedMs(loaded, route.id))}`, `${macsWords(route.macs)} multiply-adds`];
  if (route.top1 !== undefined) words.push(`right on ${percent(route.top1, 1)}`);
  if (!route.available) return [...words, 'not loaded'].join(' · ');
  const rung = loaded.ladder.findIndex(({ id }) => id === route.id);
  if (rung >= 0) words.push(`rung ${rung + 1} of ${loaded.ladder.length}`);
  else {
    const better = betterThan(loaded, route);
    words.push(better === undefined ? 'not on the ladder' : `not worth using: ${better} is as good and cheaper`);
  }
  return words.join(' · ');
}

/** The cheapest rung that is at least as accurate. */
function betterThan(loaded: Loaded, route: RouteState): string | undefined {
  const worth = accuracyOf(loaded, route);
  return loaded.ladder.find((rung) => rung.accuracy >= worth && rung.costMs <= expectedMs(loaded, route.id))?.id;
}
