/** The composition root on the page: wires source → engine → monitor → controller. Wiring only. */
import { assertBudget } from '../control/budget';
import { createController } from '../control/controller';
import type { ControlEvent, ControlMode, Decision } from '../control/types';
import { createEmitter } from '../core/emitter';
import { asStitchError, StitchError } from '../core/errors';
import type { BackendChoice, Budget } from '../core/types';
import type { EngineInfo, FrameResult, LoadProgress } from '../engine/api';
import { createLatencyMonitor } from '../monitor/latency';
import { createMonitor } from '../monitor/monitor';
import type { Classification, ClassifyOptions, FrameSource, Runtime, RuntimeEvents, RuntimeOptions } from './api';
import { toEngineFrame } from './frame';
import { createLink, type Link, startWorker } from './link';
import { measureProfile, type Profile, withRoute } from './profile';
import { watch } from './watch';

const DEFAULT_BUDGET: Budget = { latencyMs: 33, energy: 'balanced' };
const SNAPSHOT_MS = 500;
const BACKENDS: readonly BackendChoice[] = ['auto', 'webgpu', 'wasm', 'cpu'];

/**
 * Loads a bundle in a worker and resolves when it can classify.
 * Errors: argument-invalid (budget), unsupported, bundle-invalid, bundle-integrity, network, shader, out-of-memory,
 * worker-died, aborted. After an error nothing is left running.
 */
export async function createRuntime(options: RuntimeOptions): Promise<Runtime> {
  const budget: Budget = { ...DEFAULT_BUDGET, ...options.budget };
  assertBudget(budget);
  const request = {
    manifestUrl: absolute(options.bundle),
    backend: assertBackend(options.backend ?? 'auto'),
    cache: options.cache ?? true,
  };
  const { signal } = options;
  const cancelled = () => new StitchError('aborted', 'Loading was cancelled.');
  if (signal?.aborted) throw cancelled();
  const link = createLink(begin(options.worker ?? startWorker));
  let onAbort = () => {};
  // Not only the engine's own answer to a cancel: the worker's script may never arrive, or measure for long.
  const abort = new Promise<never>((_, reject) => {
    onAbort = () => {
      link.cancelLoad();
      reject(cancelled());
    };
  });
  abort.catch(() => {});
  signal?.addEventListener('abort', onAbort);
  const tell = (progress: LoadProgress) => {
    try {
      options.onProgress?.(progress);
    } catch (error) {
      // The host's own mistake; loading goes on.
      reportError(error);
    }
  };
  try {
    let bytes = { bytesLoaded: 0, bytesTotal: 0, bytesFromCache: 0 };
    const load = link.load(request, (progress) => {
      bytes = progress;
      // `ready` is said once, when the ladder is measured too.
      if (progress.phase !== 'ready') tell(progress);
    });
    const info = await Promise.race([load, abort]);
    tell({ ...bytes, phase: 'measure' });
    const profile = await Promise.race([measureProfile(link, info.routes), abort]);
    tell({ ...bytes, phase: 'ready' });
    return assemble(link, info, profile, budget);
  } catch (error) {
    await link.dispose();
    throw asStitchError(error);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

function absolute(bundle: string | URL): string {
  try {
    return new URL(bundle, document.baseURI).href;
  } catch (error) {
    throw new StitchError(
      'argument-invalid',
      `bundle "${bundle}" is not a URL. Pass the address of a manifest.json.`,
      {},
      error,
    );
  }
}

function assertBackend(backend: BackendChoice): BackendChoice {
  if (BACKENDS.includes(backend)) return backend;
  throw new StitchError('argument-invalid', `backend "${backend}" is unknown. Use one of ${BACKENDS.join(', ')}.`, { backend });
}

function begin(make: () => Worker): Worker {
  try {
    return make();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new StitchError(
      'worker-died',
      `The engine worker could not be started: ${text}. Serve it from the page's origin and allow it in worker-src, or pass options.worker.`,
      {},
      error,
    );
  }
}

function assemble(link: Link, info: EngineInfo, profile: Profile, initial: Budget): Runtime {
  const { ladder, costs } = profile;
  const events = createEmitter<RuntimeEvents>();
  const now = () => performance.now();
  const latency = createLatencyMonitor();
  const stops = new Set<() => void>();
  const answered: number[] = [];
  let budget = initial;
  let mode: ControlMode = { kind: 'auto' };
  let seq = 0;
  let dropped = 0;
  let inFlight = false;
  let offLadder = false;
  let disposed = false;
  let lastSnapshot = 0;

  const monitor = createMonitor((signals) => dispatch({ type: 'signals', now: now(), signals }));
  const controller = createController({ rungs: ladder, budget: initial, now: now(), signals: monitor.signals });

  const dispatch = (event: ControlEvent): void => {
    const decision: Decision | undefined = controller.dispatch(event);
    if (decision !== undefined) events.emit('switch', decision);
  };
  const alive = (): void => {
    if (disposed) throw new StitchError('disposed', 'This runtime was disposed. Make a new one with createRuntime().');
  };
  const snapshot = (at: number, route: string): void => {
    if (at - lastSnapshot < SNAPSHOT_MS) return;
    lastSnapshot = at;
    while (answered.length > 0 && (answered[0] ?? 0) < at - 1000) answered.shift();
    const { p50Ms = 0, p95Ms = 0 } = latency.of(route) ?? {};
    events.emit('snapshot', {
      route,
      p50Ms,
      p95Ms,
      fps: answered.length,
      dropped,
      targetMs: controller.targetMs,
      slowdown: controller.slowdown,
      signals: monitor.signals,
    });
  };

  const classify = async (source: FrameSource, { route, signal }: ClassifyOptions = {}): Promise<Classification> => {
    alive();
    if (route !== undefined) assertRoute(route);
    if (inFlight) throw new StitchError('busy', 'A frame is already being classified. Await its answer, or drop this frame.');
    inFlight = true;
    let result: FrameResult;
    try {
      const frame = await toEngineFrame(source);
      if (signal?.aborted || disposed) {
        if ('close' in frame) frame.close();
        alive();
        throw new StitchError('aborted', 'The frame was aborted by its caller.');
      }
      result = await link.classify(frame, route ?? controller.route, ++seq);
    } finally {
      inFlight = false;
    }
    alive();
    const at = now();
    const top = result.top.map(({ index, probability }) => ({
      index,
      probability,
      label: info.labels[index] ?? String(index),
    }));
    const classification: Classification = { ...result, top };
    latency.add(result.route, result.timing);
    answered.push(at);
    const { totalMs, gpuMs } = result.timing;
    dispatch({ type: 'sample', now: at, route: result.route, latencyMs: totalMs, ...(gpuMs === undefined ? {} : { gpuMs }) });
    if (signal?.aborted) throw new StitchError('aborted', 'The frame was aborted by its caller.');
    events.emit('result', classification);
    snapshot(at, result.route);
    return classification;
  };

  const assertRoute = (id: string, among: readonly { readonly id: string }[] = info.routes): void => {
    if (among.some((r) => r.id === id)) return;
    throw new StitchError('route-unknown', `No route "${id}" here. Choose one of ${among.map((r) => r.id).join(', ')}.`, {
      route: id,
    });
  };

  const onError = (error: unknown): void => {
    const known = asStitchError(error);
    if (!disposed || known.code !== 'disposed') events.emit('error', known);
  };
  link.whenLost().then(
    (loss) => {
      if (disposed) return;
      events.emit('lost', loss);
      dispatch({ type: 'reset', now: now(), why: 'device-lost' });
    },
    // Death of the worker: said here once, so that an idle page learns of it too.
    (error: unknown) => {
      if (!disposed) onError(error);
    },
  );

  return {
    device: { executor: info.executor, reason: info.reason, ...(info.adapter ? { adapter: info.adapter } : {}) },
    bundle: info.bundle,
    inputSize: info.inputSize,
    labels: info.labels,
    anchors: info.anchors,
    routes: info.routes,
    ladder,
    check: info.check,
    get route() {
      return controller.route;
    },
    get budget() {
      return budget;
    },
    set budget(value) {
      assertBudget(value);
      budget = { ...value };
      dispatch({ type: 'budget', now: now(), budget });
    },
    get mode() {
      return mode;
    },
    set mode(value) {
      if (value.kind === 'lock') assertRoute(value.route);
      else if (value.kind !== 'auto') assertRoute(value.route, ladder);
      // A lock may name any route of the bundle, also one that is not worth a place on the ladder otherwise.
      const rungs = value.kind === 'lock' ? withRoute(ladder, info.routes, costs, value.route) : ladder;
      if (rungs !== ladder || offLadder) dispatch({ type: 'ladder', now: now(), rungs });
      offLadder = rungs !== ladder;
      mode = value;
      dispatch({ type: 'mode', now: now(), mode });
    },
    classify,
    watch(source) {
      alive();
      const stop = watch(source, {
        classify: (frame) => classify(frame),
        onDropped: () => (dropped += 1),
        onError,
        duty: () => controller.duty,
      });
      const end = () => {
        stop();
        stops.delete(end);
      };
      stops.add(end);
      return end;
    },
    on: events.on,
    selfCheck: () => link.selfCheck(),
    stats: () => link.stats(),
    async dispose() {
      if (disposed) return;
      disposed = true;
      for (const stop of stops) stop();
      monitor.stop();
      await link.dispose();
      events.clear();
    },
  };
}
