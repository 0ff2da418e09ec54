/** The composition root on the page: wires source → engine → monitor → controller. Wiring only. */
import { assertBudget } from '../control/budget';
import { createController } from '../control/controller';
import type { ControlEvent, ControlMode, Decision } from '../control/types';
import { createEmitter } from '../core/emitter';
import { asStitchError, StitchError } from '../core/errors';
import type { Budget } from '../core/types';
import type { EngineInfo, FrameResult } from '../engine/api';
import { createLatencyMonitor } from '../monitor/latency';
import { createMonitor } from '../monitor/monitor';
import type { Classification, ClassifyOptions, FrameSource, Runtime, RuntimeEvents, RuntimeOptions } from './api';
import { toEngineFrame } from './frame';
import { createLink, type Link, startWorker } from './link';
import { measureLadder } from './profile';
import { watch } from './watch';

const DEFAULT_BUDGET: Budget = { latencyMs: 33, energy: 'balanced' };
const SNAPSHOT_MS = 500;

/**
 * Loads a bundle in a worker and resolves when it can classify.
 * Errors: argument-invalid (budget), unsupported, bundle-invalid, bundle-integrity, network, shader, out-of-memory,
 * worker-died, aborted. After an error nothing is left running.
 */
export async function createRuntime(options: RuntimeOptions): Promise<Runtime> {
  const budget: Budget = { ...DEFAULT_BUDGET, ...options.budget };
  assertBudget(budget);
  const { signal } = options;
  if (signal?.aborted) throw new StitchError('aborted', 'Loading was cancelled before it began.');
  const manifestUrl = new URL(options.bundle, document.baseURI).href;
  const link = createLink((options.worker ?? startWorker)());
  const abort = () => link.cancelLoad();
  signal?.addEventListener('abort', abort);
  try {
    const request = { manifestUrl, backend: options.backend ?? 'auto', cache: options.cache ?? true };
    let bytes = { bytesLoaded: 0, bytesTotal: 0, bytesFromCache: 0 };
    const info = await link.load(request, (progress) => {
      bytes = progress;
      // `ready` is said once, when the ladder is measured too.
      if (progress.phase !== 'ready') options.onProgress?.(progress);
    });
    options.onProgress?.({ ...bytes, phase: 'measure' });
    const ladder = await measureLadder(link, info.routes);
    if (signal?.aborted) throw new StitchError('aborted', 'Loading was cancelled.');
    options.onProgress?.({ ...bytes, phase: 'ready' });
    return assemble(link, info, ladder, budget);
  } catch (error) {
    await link.dispose();
    throw asStitchError(error);
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

function assemble(link: Link, info: EngineInfo, rungs: Runtime['ladder'], initial: Budget): Runtime {
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
  let disposed = false;
  let lastSnapshot = 0;

  const monitor = createMonitor((signals) => dispatch({ type: 'signals', now: now(), signals }));
  const controller = createController({ rungs, budget: initial, now: now(), signals: monitor.signals });
  // Later than the caller's continuation, so that its listeners hear of the first route too.
  setTimeout(() => events.emit('switch', controller.first));

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
      result = await link.classify(frame, route ?? nextRoute(), ++seq);
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
  /** A lock may name any route of the bundle, also one that is not worth a place on the ladder. */
  const nextRoute = (): string => (mode.kind === 'lock' ? mode.route : controller.route);

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
    ladder: rungs,
    check: info.check,
    get route() {
      return nextRoute();
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
      else if (value.kind !== 'auto') assertRoute(value.route, rungs);
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
