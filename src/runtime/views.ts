/** Routes as the page sees them. */
import type { EngineInfo } from '../engine/api';
import type { RouteState } from './api';

const shown = new WeakMap<EngineInfo, readonly RouteState[]>();

/** The same list until another route is available. */
export function routesOf(info: EngineInfo): readonly RouteState[] {
  const ready = new Set(info.ready);
  const states = shown.get(info) ?? info.routes.map((route) => ({ ...route, available: ready.has(route.id) }));
  shown.set(info, states);
  return states;
}
