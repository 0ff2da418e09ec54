/** Latencies that a bundle's maker measured: where a device may start before it has measured its own. */
import type { ExecutorKind } from '../core/types';
import { show, type FieldReader } from './fields';
import type { PriorsSpec, RouteSpec } from './manifest';

/** One a device, and few devices. */
const MAX_DEVICES = 32;
const MAX_ROUTES = 8192;
const MAX_NAME = 1000;
const MAX_MS = 1e7;
const EXECUTORS: readonly ExecutorKind[] = ['webgpu', 'wasm', 'cpu'];

/** Errors: bundle-invalid. */
export function readPriors(read: FieldReader, value: unknown, routes: ReadonlyMap<string, RouteSpec>): readonly PriorsSpec[] {
  return Array.from(read.list(value, 'priors', 0, MAX_DEVICES), (entry, index) => {
    const path = `priors[${index}]`;
    const fields = read.object(entry, path);
    const list = read.list(fields['routes'], `${path}.routes`, 1, MAX_ROUTES);
    const seen = new Set<string>();
    return {
      executor: read.oneOf(fields['executor'], `${path}.executor`, EXECUTORS),
      ...(fields['adapter'] === undefined ? {} : { adapter: read.string(fields['adapter'], `${path}.adapter`, MAX_NAME) }),
      date: readDate(read, fields['date'], `${path}.date`),
      frames: read.integer(fields['frames'], `${path}.frames`, 1, Number.MAX_SAFE_INTEGER),
      routes: Array.from(list, (one, at) => {
        const here = `${path}.routes[${at}]`;
        const fact = read.object(one, here);
        const route = read.string(fact['route'], `${here}.route`, MAX_NAME);
        if (!routes.has(route)) read.fail(`${here}.route`, `is ${show(route)}`, 'Use the id of an entry of routes.');
        if (seen.has(route)) read.fail(`${here}.route`, `repeats ${show(route)}`, 'Name every route once.');
        seen.add(route);
        const ms = (name: 'medianMs' | 'spreadMs', range: { readonly min?: number; readonly above?: number }) =>
          read.number(fact[name], `${here}.${name}`, { ...range, max: MAX_MS });
        return {
          route,
          medianMs: ms('medianMs', { above: 0 }),
          ...(fact['spreadMs'] === undefined ? {} : { spreadMs: ms('spreadMs', { min: 0 }) }),
        };
      }),
    };
  });
}

function readDate(read: FieldReader, value: unknown, path: string): string {
  const text = read.string(value, path, 10);
  if (/^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text))) return text;
  return read.fail(path, `is ${show(text)}`, 'Put a day there, such as 2025-03-31.');
}

/** The latest measurement on this executor; of another one not even the ratios mean anything. */
export function priorsFor(priors: readonly PriorsSpec[] | undefined, executor: ExecutorKind): PriorsSpec['routes'] | undefined {
  const own = (priors ?? []).filter((one) => one.executor === executor);
  return own.sort((a, b) => b.date.localeCompare(a.date))[0]?.routes;
}
