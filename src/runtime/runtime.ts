/** The composition root on the page: wires source → engine → monitor → controller. Wiring only. */
import { withBudget } from '../control/budget';
import type { DeviceProfile } from '../control/types';
import { unlessAborted } from '../core/abort';
import { createEmitter } from '../core/emitter';
import { asStitchError, StitchError } from '../core/errors';
import { told } from '../core/told';
import type { Budget, Prediction } from '../core/types';
import type { FrameResult } from '../engine/api';
import { createLatencyMonitor } from '../monitor/latency';
import { createMonitor } from '../monitor/monitor';
import { watchPage } from '../monitor/page';
import type { Classification, ClassifyOptions, FrameSource, Runtime, RuntimeEvents, RuntimeOptions } from './api';
import { profileKey, quickProfile } from './calibrate';
import { toEngineFrame } from './frame';
import type { EngineHost } from './heal';
import { createLock } from './lock';
import { createMeasuring } from './measuring';
import { Overlap } from './overlap';
import { askToPersist } from './persist';
import { classifyPhotos } from './photos';
import { openProfileStore, type ProfileStore } from './profile-store';
import { type Listeners, type Started, startEngine } from './start';
import { createSteering } from './steering';
import { routesOf } from './views';
import { assertWatchable, watch } from './watch';

const DEFAULT_BUDGET: Budget = { latencyMs: 33, energy: 'balanced' };
const SNAPSHOT_MS = 500;

/** What `create.ts` promises. */
export async function createRuntime(options: RuntimeOptions): Promise<Runtime> {
  const budget = withBudget(DEFAULT_BUDGET, options.budget ?? {});
  const store = openProfileStore(options.cache ?? true);
  // Nobody listens before the runtime is there.
  let listeners: Partial<Listeners> = {};
  const started = await startEngine(options, () => listeners, (host) => startProfile(host, store)); // prettier-ignore
  const assembled = assemble(started, store, budget, options);
  listeners = assembled.listeners;
  return assembled.runtime;
}

/** Kept from an earlier start on this device, or else measured quickly now. Errors: those of the engine's `calibrate`. */
async function startProfile(host: EngineHost, store: ProfileStore): Promise<DeviceProfile> {
  const { info } = host;
  const kept = await store.read(profileKey(info), info.routes);
  if (kept) return { ...kept, source: 'stored' };
  const made = await quickProfile(host, info);
  if (isComplete(made, host)) void store.write(made);
  return made;
}

/** Worth keeping: measured here, on every network that is loaded, and not while more are still to come. */
function isComplete({ source, routes }: DeviceProfile, { info }: EngineHost): boolean {
  const planned = info.tiers.filter(({ planned: wanted }) => wanted).map(({ anchor }) => anchor);
  const ready = new Set(info.ready);
  const expected = info.routes.filter(({ path }) => path.every((step) => 'stitch' in step || planned.includes(step.anchor)));
  const measured = new Set(routes.flatMap(({ route, measuredMs }) => (measuredMs === undefined ? [] : [route])));
  // What a network of another size costs is a guess.
  const known = info.routes.every(({ id, path }) => path.length > 1 || !ready.has(id) || measured.has(id));
  return source !== 'priors' && known && expected.every(({ id }) => ready.has(id));
}

function assemble(
  { host, loading, measured: profile }: Started<DeviceProfile>,
  store: ProfileStore,
  budget: Budget,
  { cache = true, persist = cache, guardPage = true }: RuntimeOptions,
): { readonly runtime: Runtime; readonly listeners: Listeners } {
  const { info } = host;
  const events = createEmitter<RuntimeEvents>();
  const now = () => performance.now();
  const latency = createLatencyMonitor();
  const lock = createLock();
  const overlap = new Overlap();
  const stops = new Set<() => void>();
  const answered: number[] = [];
  let seq = 0;
  let dropped = 0;
  let disposed = false;
  let lastSnapshot = 0;
  let stopPage: (() => void) | undefined;

  const monitor = createMonitor((signals) => steering.signals(signals));
  const steering = createSteering({
    routes: info.routes,
    ready: info.ready,
    profile,
    budget,
    signals: monitor.signals,
    onDecision: (decision) => events.emit('switch', decision),
    onDrift: () => void measuring.refine(),
  });

  const alive = (): void => {
    if (disposed) throw new StitchError('disposed', 'This runtime was disposed. Make a new one with createRuntime().');
  };
  const snapshot = (at: number, route: string): void => {
    if (at - lastSnapshot < SNAPSHOT_MS) return;
    lastSnapshot = at;
    while (answered.length > 0 && (answered[0] ?? 0) < at - 1000) answered.shift();
    const { p50Ms = 0, p95Ms = 0 } = latency.of(route) ?? {};
    const { signals } = monitor;
    events.emit('snapshot', { route, p50Ms, p95Ms, fps: answered.length, dropped, signals, ...steering.status });
  };
  const adopt = (made: DeviceProfile): DeviceProfile => {
    alive();
    steering.profile = made;
    if (isComplete(made, host)) void store.write(made);
    events.emit('profile', made);
    return made;
  };

  const named = (top: FrameResult['top']): readonly Prediction[] =>
    top.map(({ index, probability }) => ({ index, probability, label: info.labels[index] ?? String(index) }));
  const cancelled = (): StitchError => new StitchError('aborted', 'The frame was aborted by its caller.');
  const answer = async (source: FrameSource, { route, signal }: ClassifyOptions): Promise<FrameResult> => {
    if (signal?.aborted) throw cancelled();
    const frame = await toEngineFrame(source);
    if (signal?.aborted || disposed) {
      if ('close' in frame) frame.close();
      alive();
      throw cancelled();
    }
    return host.classify(frame, route ?? (() => steering.route), ++seq, signal);
  };
  /** `turn`: how many frames may be on their way, this one included; whether it waits for its turn. */
  const classify = async (
    source: FrameSource,
    options: ClassifyOptions,
    turn: { readonly most?: number; readonly patient?: boolean },
  ): Promise<Classification> => {
    alive();
    if (options.route !== undefined) steering.assertRoute(options.route);
    let start = 0;
    const asked = lock.frame(() => {
      start = now();
      return answer(source, options);
    }, turn);
    const result = await unlessAborted(asked, options.signal, cancelled);
    alive();
    const at = now();
    overlap.add(result.route, at - start, result.timing);
    const classification: Classification = { ...result, top: named(result.top) };
    latency.add(result.route, result.timing, at);
    answered.push(at);
    steering.frame(result.route, result.timing);
    if (persist) askToPersist();
    events.emit('result', classification);
    snapshot(at, result.route);
    return classification;
  };

  /** What ends the runtime fails every call that is under way, and is said once. */
  const said = new WeakSet<StitchError>();
  const onError = (error: unknown): void => {
    const known = asStitchError(error);
    if (said.has(known) || (disposed && known.code === 'disposed')) return;
    said.add(known);
    events.emit('error', known);
  };
  const measuring = createMeasuring({ host, lock, adopt, onError });
  const listeners: Listeners = {
    route: () => steering.route,
    onProgress: (progress) => events.emit('progress', progress),
    onReady() {
      steering.unlock(host.info.ready);
      events.emit('routes', routesOf(host.info));
    },
    onLost(loss) {
      events.emit('lost', loss);
      steering.deviceLost();
    },
    onHealed(healing) {
      events.emit('healed', healing);
      // Another executor has other costs.
      if (healing.executor !== healing.from) void measuring.refine();
    },
    onReloaded: () => void complete(),
    onError,
  };
  const complete = async (): Promise<void> => {
    // What is being measured may have begun before all was there.
    await measuring.idle();
    if (!disposed && steering.profile.source !== 'priors' && !isComplete(steering.profile, host))
      void measuring.refine('measured');
  };
  loading.loaded.then(complete, onError);

  const runtime: Runtime = {
    get device() {
      return host.device;
    },
    bundle: info.bundle,
    inputSize: info.inputSize,
    labels: info.labels,
    anchors: info.anchors,
    get routes() {
      return routesOf(host.info);
    },
    tiers: info.tiers,
    loaded: loading.loaded,
    async loadMore(anchor) {
      await loading.more(anchor);
      void complete();
    },
    get ladder() {
      return steering.ladder;
    },
    get profile() {
      return steering.profile;
    },
    get check() {
      return host.info.check;
    },
    get route() {
      return steering.route;
    },
    get budget() {
      return steering.budget;
    },
    set budget(value) {
      steering.budget = value;
    },
    get mode() {
      return steering.mode;
    },
    set mode(value) {
      steering.mode = value;
    },
    classify: (source, options = {}) => classify(source, options, { patient: true }),
    classifyAll(photos, options = {}) {
      alive();
      if (options.route !== undefined) steering.assertRoute(options.route);
      return classifyPhotos(photos, { host, lock, route: () => steering.bestRoute, named, persist }, options);
    },
    watch(source, { onResult, onError: onFailure, overlap: mayOverlap = true } = {}) {
      alive();
      assertWatchable(source);
      // The page's animation is watched only while frames run: reading it costs a callback a frame.
      if (guardPage) stopPage ??= watchPage(steering.page);
      const stop = watch(source, {
        classify: async (frame) => {
          const result = await classify(frame, {}, { most: mayOverlap ? host.framesInFlight : 1 });
          told(onResult, result);
        },
        onDropped: () => (dropped += 1),
        onError(error) {
          told(onFailure, error);
          onError(error);
        },
        onEnd: () => end(),
        duty: () => steering.duty,
        readyAt: () => steering.readyAt,
        overlapAfter: () =>
          mayOverlap && host.framesInFlight > 1 && steering.duty >= 1
            ? overlap.after(steering.route, steering.status.targetMs)
            : Infinity,
      });
      const end = () => {
        stop();
        stops.delete(end);
        if (stops.size > 0) return;
        stopPage?.();
        stopPage = undefined;
      };
      stops.add(end);
      return end;
    },
    async calibrate(options) {
      alive();
      return measuring.calibrate(options);
    },
    record() {
      alive();
      return steering.record();
    },
    on: events.on,
    async selfCheck() {
      alive();
      return lock.hold('checking itself', () => host.selfCheck());
    },
    stats: () => host.stats(),
    async dispose() {
      if (disposed) return;
      disposed = true;
      for (const stop of stops) stop();
      monitor.stop();
      await host.dispose();
      events.clear();
    },
  };
  return { runtime, listeners };
}
