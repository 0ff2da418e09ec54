/** The ladder: routes worth using, cheapest first. */
import type { RouteInfo } from '../core/types';
import type { Rung } from './types';

/**
 * The Pareto set of accuracy against cost. `costs` maps a route id to its expected ms; a route without a positive finite
 * cost is left out. Where any route lacks `top1`, no measured accuracy is comparable, so MACs stand in for all of them.
 */
export function buildLadder(routes: readonly RouteInfo[], costs: ReadonlyMap<string, number>): Rung[] {
  const measured = routes.every((route) => route.top1 !== undefined && Number.isFinite(route.top1));
  const mostMacs = routes.reduce((most, route) => Math.max(most, route.macs), 1);
  const rungs: Rung[] = [];
  for (const route of routes) {
    const costMs = costs.get(route.id);
    if (costMs === undefined) continue;
    const accuracy = measured && route.top1 !== undefined ? route.top1 : route.macs / mostMacs;
    rungs.push({ id: route.id, costMs, accuracy });
  }
  let best = -Infinity;
  return sortRungs(rungs).filter((rung) => {
    if (!(rung.accuracy > best)) return false;
    best = rung.accuracy;
    return true;
  });
}

/** Cheapest first; among equal costs the most accurate first, then as given. Impossible costs and repeated ids drop out. */
export function sortRungs(rungs: readonly Rung[]): Rung[] {
  const seen = new Set<string>();
  return rungs
    .filter((rung) => {
      if (!(rung.costMs > 0) || !Number.isFinite(rung.costMs) || seen.has(rung.id)) return false;
      seen.add(rung.id);
      return true;
    })
    .sort((a, b) => a.costMs - b.costMs || b.accuracy - a.accuracy);
}
