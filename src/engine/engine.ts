/** The engine: bundle → executor → answers. Lives in a worker; knows nothing of budgets. */
import { type Bundle, openBundle } from '../bundle/open';
import { asStitchError, StitchError } from '../core/errors';
import { toRouteInfo } from '../model/describe';
import type {
  CheckReport,
  DeviceLoss,
  EngineApi,
  EngineFrame,
  EngineInfo,
  FrameResult,
  LoadProgress,
  LoadRequest,
  RouteTiming,
} from './api';
import { runCheck } from './check';
import { type Candidate, chooseExecutors } from './choose';
import type { Executor } from './executor';
import { probeAdapter } from '../gpu/device';
import { createGpuExecutor, type GpuExecutor } from '../gpu/executor';

/** Side of the synthetic calibration frame, as a multiple of the network's input: a real frame is larger than that input. */
const CALIBRATION_SCALE = 4;
/** Least time between two progress reports of one phase. */
const PROGRESS_MS = 50;

interface Loaded {
  readonly bundle: Bundle;
  readonly executor: Executor;
  readonly info: EngineInfo;
}

export function createEngine(): EngineApi {
  let loaded: Loaded | undefined;
  let loading: AbortController | undefined;
  let busy = false;
  let disposed = false;
  let onLost: (loss: DeviceLoss) => void = () => {};
  const lost = new Promise<DeviceLoss>((resolve) => (onLost = resolve));

  const ready = (): Loaded => {
    if (disposed) throw new StitchError('disposed', 'This runtime was disposed. Make a new one with createRuntime().');
    if (loaded === undefined) throw new StitchError('busy', 'The bundle is not loaded yet. Wait for load() to resolve.');
    return loaded;
  };
  /** Frames, calibration and checks share activations and read-back buffers: one at a time. */
  const exclusive = async <T>(work: (l: Loaded) => Promise<T>): Promise<T> => {
    const current = ready();
    if (busy) throw new StitchError('busy', 'A frame is already being classified. Await its answer, or drop this frame.');
    busy = true;
    try {
      return await work(current);
    } finally {
      busy = false;
    }
  };

  const start = async (
    candidate: Candidate,
    bundle: Bundle,
    progress: (p: Partial<LoadProgress>) => void,
    signal: AbortSignal,
  ) => {
    const executor = await makeExecutor(candidate, bundle);
    try {
      signal.throwIfAborted();
      progress({ phase: 'shards' });
      await bundle.loadAll((spec, tensors) => executor.addUnits(spec.units, tensors), signal);
      progress({ phase: 'compile' });
      await executor.prepare(bundle.manifest.routes);
      signal.throwIfAborted();
      progress({ phase: 'check' });
      const check = await runCheck(executor, bundle.manifest, await bundle.check(signal));
      return { executor, check };
    } catch (error) {
      executor.dispose();
      throw error;
    }
  };

  const load = async (
    request: LoadRequest,
    onProgress: (p: LoadProgress) => void,
    signal: AbortSignal,
  ): Promise<EngineInfo> => {
    let state: LoadProgress = { phase: 'manifest', bytesLoaded: 0, bytesTotal: 0, bytesFromCache: 0 };
    let said = 0;
    let listening = true;
    const progress = (change: Partial<LoadProgress>) => {
      const { phase } = state;
      state = { ...state, ...change };
      // Bytes arrive in thousands of pieces; a new phase is always said.
      const now = performance.now();
      if (!listening) return;
      if (state.phase === phase && now - said < PROGRESS_MS && state.bytesLoaded < state.bytesTotal) return;
      said = now;
      onProgress(state);
    };
    progress({});
    const bundle = await openBundle(request.manifestUrl, { cache: request.cache, signal, onProgress: progress });
    const adapter = (await probeAdapter())?.summary;
    const candidates = chooseExecutors(request.backend, adapter);
    let failure: unknown;
    for (const candidate of candidates) {
      signal.throwIfAborted();
      try {
        const { executor, check } = await start(candidate, bundle, progress, signal);
        if (signal.aborted) {
          executor.dispose();
          throw abortedError();
        }
        if (!check.passed) {
          executor.dispose();
          throw failedCheck(check);
        }
        const info = describe(bundle, executor, candidate, check);
        loaded = { bundle, executor, info };
        if (isGpu(executor)) void executor.lost.then((loss) => onLost(loss));
        progress({ phase: 'ready' });
        // A later check reads files too, when nobody listens any more.
        listening = false;
        return info;
      } catch (error) {
        if (!demotes(error)) throw error;
        failure = error;
      }
    }
    throw failure;
  };

  return {
    async load(request, onProgress) {
      if (disposed) throw new StitchError('disposed', 'This runtime was disposed. Make a new one with createRuntime().');
      if (loading !== undefined || loaded !== undefined) {
        throw new StitchError('busy', 'This engine already has a bundle. Make a second runtime for a second bundle.');
      }
      loading = new AbortController();
      try {
        return await load(request, onProgress, loading.signal);
      } catch (error) {
        throw loading.signal.aborted ? abortedError(error) : asStitchError(error);
      } finally {
        loading = undefined;
      }
    },
    cancelLoad() {
      loading?.abort();
    },
    async classify(frame: EngineFrame, route: string, seq: number): Promise<FrameResult> {
      try {
        return await exclusive(async ({ executor }) => {
          const { top, timing } = await executor.run(route, frame);
          return { seq, route, executor: executor.kind, top, timing };
        });
      } finally {
        if ('close' in frame) frame.close();
      }
    },
    calibrate(routes, frames) {
      return exclusive(async ({ executor, bundle }) => {
        const side = bundle.manifest.input.size * CALIBRATION_SCALE;
        const frame = { data: new Uint8ClampedArray(side * side * 4).fill(127), width: side, height: side };
        const timings: RouteTiming[] = [];
        for (const route of routes) {
          const samples: number[] = [];
          // One more than asked for: the first frame of a route pays for cold caches.
          for (let i = 0; i <= frames; i++) samples.push((await executor.run(route, frame)).timing.totalMs);
          const sorted = samples.slice(1).sort((a, b) => a - b);
          timings.push({ route, medianMs: sorted[Math.floor(sorted.length / 2)] ?? 0, frames });
        }
        return timings;
      });
    },
    selfCheck() {
      return exclusive(async ({ executor, bundle }) => runCheck(executor, bundle.manifest, await bundle.check()));
    },
    stats: async () => ready().executor.stats(),
    whenLost: () => lost,
    async dispose() {
      disposed = true;
      loading?.abort();
      loaded?.executor.dispose();
      loaded = undefined;
    },
  };
}

const abortedError = (cause?: unknown): StitchError => new StitchError('aborted', 'Loading was cancelled.', {}, cause);

const isGpu = (executor: Executor): executor is GpuExecutor => executor.kind === 'webgpu';

async function makeExecutor(candidate: Candidate, bundle: Bundle): Promise<Executor> {
  if (candidate.kind === 'webgpu') return createGpuExecutor(bundle.manifest);
  // A chunk of its own: pages with a GPU never fetch it.
  const { createReferenceExecutor } = await import('../reference/executor').catch((error: unknown) => {
    throw new StitchError(
      'network',
      'The fallback executor could not be fetched: its file is gone (a newer version was deployed?) or the network is. Reload the page.',
      {},
      error,
    );
  });
  return createReferenceExecutor(bundle.manifest, candidate.kind);
}

/** Failures of this executor on this device; anything else (network, bundle, abort) would fail on the next one too. */
function demotes(error: unknown): boolean {
  const { code } = asStitchError(error);
  return (
    code === 'unsupported' || code === 'shader' || code === 'out-of-memory' || code === 'device-lost' || code === 'internal'
  );
}

function failedCheck(check: CheckReport): StitchError {
  const worst = Math.max(...check.routes.map((r) => r.maxAbsError));
  return new StitchError(
    'unsupported',
    `The ${check.executor} executor computes wrong answers on this device (logit error ${worst.toPrecision(2)} > ${check.tolerance}). Use backend "auto" to fall back.`,
    { executor: check.executor, worst },
  );
}

function describe(bundle: Bundle, executor: Executor, candidate: Candidate, check: CheckReport): EngineInfo {
  const { manifest, labels } = bundle;
  const { name, version, license, sources } = manifest;
  return {
    executor: executor.kind,
    reason: candidate.reason,
    ...(isGpu(executor) ? { adapter: executor.adapter } : {}),
    bundle: { name, version, license, sources },
    inputSize: manifest.input.size,
    labels,
    anchors: manifest.anchors.map((a) => ({ id: a.id, name: a.name, dim: a.config.dim, depth: a.config.depth })),
    routes: manifest.routes.map(toRouteInfo),
    check,
  };
}
