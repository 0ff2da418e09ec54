/**
 * One runtime for all who want the same network on a page: leases on it, counted. The first lease starts worker and device, the
 * last release ends them. Used by the element and the React hook.
 */
import { assertBudget } from '../control/budget';
import { asStitchError, StitchError } from '../core/errors';
import type { BackendChoice, Budget, EnergyMode } from '../core/types';
import type { LoadProgress } from '../engine/api';
import type { Classification, Runtime, RuntimeEvents, RuntimeOptions } from '../runtime/api';
import { createRuntime } from '../runtime/create';
import { manifestUrl } from '../runtime/page-url';
import { everyPicture } from '../runtime/watch';
import { createTurns, type Seat, type Turns } from './turns';

/** What tells one shared runtime from another. */
export interface LeaseOptions {
  /** URL of the bundle's manifest.json, relative to the page. */
  readonly bundle: string | URL;
  readonly backend?: BackendChoice;
  /** Keep weights in IndexedDB. Default true. */
  readonly cache?: boolean;
  /** Load no anchor beyond this one (id). */
  readonly maxAnchor?: string | undefined;
  /** This user's wish. Of several the smallest latency and the thriftiest energy mode count. */
  readonly budget?: Partial<Budget>;
  readonly onProgress?: (progress: LoadProgress) => void;
}

export type LeaseSource = HTMLVideoElement | HTMLImageElement | HTMLCanvasElement;

export interface WatchCallbacks {
  onResult(result: Classification): void;
  /** `final`: the source is not asked again. */
  onError(error: StitchError, final: boolean): void;
}

export interface Lease {
  /** Rejects as `createRuntime` does, and with `disposed` when the lease was released before. */
  readonly ready: Promise<Runtime>;
  /** Assign to change this user's wish. Errors: argument-invalid. */
  budget: Partial<Budget>;
  /** A video or canvas at every new picture, an image once and whenever it loads another. Waits for `ready`. Returns stop. */
  watch(source: LeaseSource, callbacks: WatchCallbacks): () => void;
  /** Twice is fine. */
  release(): void;
}

interface Shared {
  readonly leases: Set<Holder>;
  readonly abort: AbortController;
  readonly runtime: Promise<Runtime>;
  /** Present once it is loaded. */
  live?: { readonly runtime: Runtime; readonly turns: Turns; /** Where nobody wishes. */ readonly usual: Budget };
}

interface Holder {
  budget: Partial<Budget>;
  readonly onProgress?: (progress: LoadProgress) => void;
}

/** From the thriftiest. */
const ENERGY: readonly EnergyMode[] = ['saver', 'balanced', 'performance'];
const registry = new Map<string, Shared>();

/** Errors: argument-invalid (`bundle` is no URL, a budget that cannot be obeyed), unsupported (no page). */
export function lease(options: LeaseOptions): Lease {
  const { bundle, backend = 'auto', cache = true, maxAnchor, budget = {}, onProgress } = options;
  const key = JSON.stringify([manifestUrl(bundle), backend, cache, maxAnchor]);
  check(budget);
  const holder: Holder = { budget, ...(onProgress === undefined ? {} : { onProgress }) };
  const shared = registry.get(key) ?? open(key, { bundle, backend, cache, ...(maxAnchor === undefined ? {} : { maxAnchor }) });
  shared.leases.add(holder);
  applyBudget(shared);
  const stops = new Set<() => void>();
  let released = false;
  const ready = shared.runtime.then((runtime) => {
    if (released) throw new StitchError('disposed', 'This lease was released. Take a new one.');
    return runtime;
  });
  // Whoever does not ask for it need not handle it.
  ready.catch(() => {});
  return {
    ready,
    get budget() {
      return holder.budget;
    },
    set budget(value) {
      check(value);
      holder.budget = value;
      applyBudget(shared);
    },
    watch(source, callbacks) {
      if (released) return () => {};
      let stopped = false;
      let leave = (): void => {};
      const stop = (): void => {
        stopped = true;
        stops.delete(stop);
        leave();
      };
      stops.add(stop);
      ready.then(
        () => {
          if (!stopped && shared.live) leave = follow(shared.live.turns, source, callbacks);
        },
        (error: unknown) => {
          if (!stopped) callbacks.onError(asStitchError(error), true);
        },
      );
      return stop;
    },
    release() {
      if (released) return;
      released = true;
      for (const stop of stops) stop();
      shared.leases.delete(holder);
      if (shared.leases.size > 0) applyBudget(shared);
      // Not at once: an element that moves within the page, and React's strict mode, release and take anew.
      else setTimeout(() => shared.leases.size === 0 && close(key, shared), 0);
    },
  };
}

function open(key: string, options: Pick<RuntimeOptions, 'bundle' | 'backend' | 'cache' | 'maxAnchor'>): Shared {
  const leases = new Set<Holder>();
  const abort = new AbortController();
  const runtime = createRuntime({
    ...options,
    signal: abort.signal,
    onProgress(progress) {
      for (const { onProgress } of leases) onProgress?.(progress);
    },
  });
  const shared: Shared = { leases, abort, runtime };
  const forget = (): void => {
    if (registry.get(key) === shared) registry.delete(key);
  };
  registry.set(key, shared);
  runtime.then((started) => {
    const turns = createTurns(started.watch);
    // A runtime that cannot mend itself is no home for the next lease.
    started.on('error', (error: RuntimeEvents['error']) => !error.recoverable && forget());
    shared.live = { runtime: started, turns, usual: started.budget };
    applyBudget(shared);
  }, forget);
  return shared;
}

function close(key: string, shared: Shared): void {
  if (registry.get(key) === shared) registry.delete(key);
  shared.abort.abort();
  shared.runtime.then(
    (runtime) => runtime.dispose(),
    () => {},
  );
}

const check = (budget: Partial<Budget>): void => assertBudget({ latencyMs: 1, energy: 'balanced', ...budget });

/** The wish that satisfies all. */
export function strictest(budgets: readonly Partial<Budget>[]): Partial<Budget> {
  const latencies = budgets.flatMap(({ latencyMs }) => (latencyMs === undefined ? [] : [latencyMs]));
  const energy = ENERGY.find((mode) => budgets.some((budget) => budget.energy === mode));
  return { ...(latencies.length > 0 ? { latencyMs: Math.min(...latencies) } : {}), ...(energy ? { energy } : {}) };
}

function applyBudget({ live, leases }: Shared): void {
  if (live === undefined) return;
  const { budget } = live.runtime;
  const wanted: Budget = { ...live.usual, ...strictest([...leases].map((one) => one.budget)) };
  if (wanted.latencyMs !== budget.latencyMs || wanted.energy !== budget.energy) live.runtime.budget = wanted;
}

function follow(turns: Turns, source: LeaseSource, callbacks: WatchCallbacks): () => void {
  const seat: Seat = { ...callbacks, take: () => (hasPicture(source) ? source : null) };
  const { offer, leave } = turns.join(seat);
  if (!(source instanceof HTMLImageElement)) {
    const stop = everyPicture(source, offer);
    // A paused video's picture is not new, but it is one.
    offer();
    return () => {
      stop();
      leave();
    };
  }
  source.addEventListener('load', offer);
  if (hasPicture(source)) offer();
  return () => {
    source.removeEventListener('load', offer);
    leave();
  };
}

function hasPicture(source: LeaseSource): boolean {
  if (source instanceof HTMLVideoElement)
    return source.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA && source.videoWidth > 0;
  if (source instanceof HTMLImageElement) return source.complete && source.naturalWidth > 0;
  return source.width > 0 && source.height > 0;
}
