/** The engine: bundle → executor → answers. Lives in a worker; knows nothing of budgets. */
import type { Manifest, ShardSpec } from '../bundle/manifest';
import { type Bundle, openBundle } from '../bundle/open';
import { loadCancelled } from '../core/abort';
import { asStitchError, StitchError, toWire, withDetail } from '../core/errors';
import { probeAdapter } from '../gpu/device';
import { type Kept, openKept } from '../core/kept';
import { createGpuExecutor } from '../gpu/executor';
import { isPlain, keepPlain } from '../gpu/tune';
import { tensorsOf } from '../model/units';
import type { DeviceLoss, EngineApi, EngineFrame, EngineInfo, FrameResult, LoadRequest, RouteTiming } from './api';
import { type Candidate, chooseExecutors } from './choose';
import { describe } from './describe';
import type { Executor } from './executor';
import { Gaps } from './gaps';
import { Network, type NetworkHooks } from './network';
import { Progress } from './progress';
import { firstShards, planTiers, type Tier, tiersOf, tiersUpTo } from './tiers';

/** Side of the synthetic calibration frame, as a multiple of the network's input: a real frame is larger than that input. */
const CALIBRATION_SCALE = 4;

interface Loaded {
  readonly network: Network;
  readonly tiers: readonly Tier[];
  /** What to say of a failure of more: whether it is worth another load. */
  readonly judge: (error: unknown) => Promise<unknown>;
}

export function createEngine(): EngineApi {
  const gaps = new Gaps();
  const progress = new Progress();
  let loaded: Loaded | undefined;
  let loading: AbortController | undefined;
  let disposed = false;
  let alone = false;
  let onLost: (loss: DeviceLoss) => void = () => {};
  const lost = new Promise<DeviceLoss>((resolve) => (onLost = resolve));

  const alive = (): void => {
    if (disposed) throw new StitchError('disposed', 'This runtime was disposed. Make a new one with createRuntime().');
  };
  const ready = (): Loaded => {
    alive();
    if (loaded === undefined) throw new StitchError('busy', 'The bundle is not loaded yet. Wait for load() to resolve.');
    return loaded;
  };
  /** As many frames as the executor takes at once; calibration and checks use the same buffers, so they run alone. */
  const inTurn = async <T>(kind: 'frame' | 'alone', work: (network: Network) => Promise<T>): Promise<T> => {
    const { network } = ready();
    const most = kind === 'alone' ? 1 : network.executor.framesInFlight;
    if (alone || gaps.inFlight >= most) {
      throw new StitchError('busy', 'A frame is already being classified. Await its answer, or drop this frame.');
    }
    alone = kind === 'alone';
    try {
      return await gaps.runFrame(() => work(network));
    } finally {
      alone = false;
    }
  };
  /** One load at a time; whatever ends it, nothing of it goes on. */
  const exclusiveLoad = async <T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const controller = new AbortController();
    loading = controller;
    try {
      return await work(controller.signal);
    } catch (error) {
      const { aborted } = controller.signal;
      controller.abort();
      throw aborted ? loadCancelled(error) : asStitchError(error);
    } finally {
      loading = undefined;
      progress.tell(undefined);
    }
  };

  /** An executor with the first routes built and checked. Disposed again where that fails. */
  const start = async (candidate: Candidate, bundle: Bundle, kept: Kept, request: LoadRequest, signal: AbortSignal) => {
    const executor = await makeExecutor(candidate, bundle, kept);
    try {
      signal.throwIfAborted();
      const { manifest } = bundle;
      const tiers = tiersOf(manifest);
      const plan = planTiers(tiers, request.limits, memoryOf(executor, manifest));
      const first = firstShards(manifest, tiers, request.route);
      const planned = tiers.flatMap(({ shards }, index) => shards.filter((one) => plan[index]?.planned || first.includes(one)));
      bundle.plan(planned);
      progress.phase('shards');
      const network = new Network(bundle, executor, gaps);
      await network.add(first, { phase: (phase) => progress.phase(phase), unlocked: () => {} }, signal);
      const info = await describe(network, candidate, plan);
      signal.throwIfAborted();
      const judge = (error: unknown) => retryPlain(error, candidate, executor, kept);
      return { loaded: { network, tiers, judge }, info };
    } catch (error) {
      executor.dispose();
      throw error;
    }
  };

  const load = async (request: LoadRequest, signal: AbortSignal): Promise<EngineInfo> => {
    progress.phase('manifest');
    const { manifestUrl, cache, hash, exclude = [] } = request;
    const bundle = await openBundle(manifestUrl, { cache, hash, signal, onProgress: (bytes) => progress.bytes(bytes) });
    progress.cacheProblem = () => bundle.cacheProblem;
    const adapter = (await probeAdapter())?.summary;
    const kept = openKept(cache);
    const plain = adapter !== undefined && (await isPlain(kept, adapter));
    const candidates = chooseExecutors(request.backend, adapter, exclude, plain);
    let failure: unknown;
    let wrongKernel = false;
    for (const candidate of candidates) {
      signal.throwIfAborted();
      try {
        const started = await start(candidate, bundle, kept, request, signal);
        loaded = started.loaded;
        if (candidate.plain && wrongKernel && adapter !== undefined) await keepPlain(kept, adapter);
        void started.loaded.network.executor.lost?.then((loss) => onLost(loss));
        await bundle.keepManifest();
        progress.phase('ready');
        return started.info;
      } catch (error) {
        if (!demotes(error)) throw error;
        failure = error;
        wrongKernel ||= isWrongKernel(asStitchError(error));
      }
    }
    throw failure;
  };

  return {
    async load(request, onProgress) {
      alive();
      if (loading !== undefined || loaded !== undefined) {
        throw new StitchError('busy', 'This engine already has a bundle. Make a second runtime for a second bundle.');
      }
      progress.tell(onProgress);
      return exclusiveLoad((signal) => load(request, signal));
    },
    async loadMore(anchor, onStep) {
      const { network, tiers, judge } = ready();
      if (loading !== undefined) throw new StitchError('busy', 'More is being loaded already. Await that, or cancel it.');
      const wanted = tiersUpTo(tiers, anchor).flatMap(({ shards }) => shards);
      const { bundle } = network;
      bundle.plan(bundle.manifest.shards.filter((shard) => wanted.includes(shard) || !network.lacks(shard)));
      progress.tell((state) => onStep({ progress: state, unlocked: [] }));
      const hooks: NetworkHooks = {
        phase: (phase) => progress.phase(phase),
        unlocked: (unlocked, check) => onStep({ progress: progress.state, unlocked, check }),
      };
      return exclusiveLoad(async (signal) => {
        await network.add(wanted, hooks, signal).catch(async (error: unknown) => {
          throw await judge(error);
        });
        progress.phase('ready');
        const { ready: routes, check } = network;
        return { ready: routes, check };
      });
    },
    cancelLoad() {
      loading?.abort();
    },
    async classify(frame: EngineFrame, route: string, seq: number): Promise<FrameResult> {
      try {
        const accepted = performance.now();
        return await inTurn('frame', async ({ executor }) => {
          // What a step of loading held it up is part of what the user waits for.
          const heldMs = performance.now() - accepted;
          const { top, timing } = await executor.run(route, frame);
          return { seq, route, executor: executor.kind, top, timing: { ...timing, totalMs: timing.totalMs + heldMs } };
        });
      } finally {
        if ('close' in frame) frame.close();
      }
    },
    async classifyBatch(frames, route) {
      try {
        const answers = await inTurn('alone', ({ executor }) => executor.runBatch(route, frames));
        return answers.map((one) => (one instanceof StitchError ? { error: toWire(one) } : { top: one }));
      } finally {
        for (const frame of frames) if ('close' in frame) frame.close();
      }
    },
    calibrate(routes, frames) {
      return inTurn('alone', async ({ executor, bundle }) => {
        const side = bundle.manifest.input.size * CALIBRATION_SCALE;
        const frame = { data: new Uint8ClampedArray(side * side * 4).fill(127), width: side, height: side };
        const timings: RouteTiming[] = [];
        for (const route of routes) {
          const samples: number[] = [];
          // One more than asked for: the first frame of a route pays for cold caches.
          for (let i = 0; i <= frames; i++) samples.push((await executor.run(route, frame)).timing.totalMs);
          timings.push({ route, samplesMs: samples.slice(1) });
        }
        return timings;
      });
    },
    selfCheck: () => inTurn('alone', (network) => network.checkAgain()),
    stats: async () => ready().network.executor.stats(),
    whenLost: () => lost,
    async dispose() {
      disposed = true;
      loading?.abort();
      loaded?.network.executor.dispose();
      loaded = undefined;
    },
  };
}

/** Bytes of memory that a shard takes: as it comes on the GPU; the fallback widens everything to f32. */
const memoryOf =
  ({ kind }: Executor, manifest: Manifest) =>
  ({ bytes, units }: ShardSpec): number => {
    if (kind === 'webgpu') return bytes;
    const sizes = units.flatMap((unit) => tensorsOf(manifest, unit)).map(({ shape }) => shape.reduce((a, b) => a * b, 1));
    return sizes.reduce((sum, size) => sum + 4 * size, 0);
  };

async function makeExecutor(candidate: Candidate, bundle: Bundle, kept: Kept): Promise<Executor> {
  if (candidate.kind === 'webgpu') return createGpuExecutor(bundle.manifest, kept, candidate.plain);
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

/**
 * Where kernels of this device's own failed after the start, the next load does without them, and is worth a try (`again`).
 */
async function retryPlain(error: unknown, { plain }: Candidate, { adapter }: Executor, kept: Kept): Promise<unknown> {
  const known = asStitchError(error);
  if (!isWrongKernel(known) || plain || adapter === undefined || adapter.software) return error;
  await keepPlain(kept, adapter);
  return withDetail(known, { again: true });
}

/** A kernel that does not compile or computes wrong answers, and not a device that is busy, full or gone. */
const isWrongKernel = ({ code, detail }: StitchError): boolean =>
  code === 'shader' || (code === 'unsupported' && detail['worst'] !== undefined);

/**
 * Failures of this executor on this device; anything else (network, bundle, abort) would fail on the next one too. A lost device
 * is not among them: it may come back, so the page decides.
 */
function demotes(error: unknown): boolean {
  const { code } = asStitchError(error);
  return code === 'unsupported' || code === 'shader' || code === 'out-of-memory' || code === 'internal';
}
