/** How long frames take, by route: what the status line and the bench show. The controller has its own estimate. */
import { RollingWindow } from '../core/stats';
import type { Timing } from '../core/types';

export interface RouteLatency {
  readonly p50Ms: number;
  readonly p95Ms: number;
  /** Frames in the window. */
  readonly count: number;
  /** Median GPU time; absent where no frame brought one. */
  readonly gpuP50Ms?: number;
}

export interface LatencyMonitor {
  /** `now` in ms. A time that is not a positive finite number is ignored; after a pause the route's window begins anew. */
  add(route: string, timing: Pick<Timing, 'totalMs' | 'gpuMs'>, now: number): void;
  /** Undefined before the first frame of that route. */
  of(route: string): RouteLatency | undefined;
  /** Ids of the routes that have run. */
  readonly routes: readonly string[];
  clear(): void;
}

/** A route not run for longer is measured anew: what it took under another load says nothing now. */
const STALE_MS = 10_000;

/** `frames` is the window's length, per route. */
export function createLatencyMonitor(frames = 120): LatencyMonitor {
  const windows = new Map<string, { readonly total: RollingWindow; readonly gpu: RollingWindow; lastAt: number }>();
  return {
    add(route, { totalMs, gpuMs }, now) {
      if (!(totalMs > 0) || !Number.isFinite(totalMs)) return;
      let window = windows.get(route);
      if (!window) {
        window = { total: new RollingWindow(frames), gpu: new RollingWindow(frames), lastAt: now };
        windows.set(route, window);
      }
      if (now - window.lastAt > STALE_MS) {
        window.total.clear();
        window.gpu.clear();
      }
      window.lastAt = now;
      window.total.add(totalMs);
      if (gpuMs !== undefined && gpuMs >= 0) window.gpu.add(gpuMs);
    },
    of(route) {
      const window = windows.get(route);
      if (!window) return undefined;
      const [p50Ms = NaN, p95Ms = NaN] = window.total.quantiles(0.5, 0.95);
      const [gpuP50Ms = NaN] = window.gpu.quantiles(0.5);
      return { p50Ms, p95Ms, count: window.total.count, ...(window.gpu.count > 0 ? { gpuP50Ms } : {}) };
    },
    get routes() {
      return [...windows.keys()];
    },
    clear() {
      windows.clear();
    },
  };
}
