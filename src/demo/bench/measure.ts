/** Measures the routes of a bundle on one executor, through the public API and nothing else. */
import { VERSION } from '../../index';
import type { AdapterSummary, ExecutorKind, FrameSource, LoadProgress, Runtime } from '../../index';
import { type OpenOptions, type Opened, type Unavailable, onExecutor } from '../executors';
import { untilFree } from '../when-free';
import { type Effort, type Figures, type Samples, figuresOf, shareOf, visitsOf, weightsOf } from './rounds';

/** Longest time for the profile that predictions are made of. */
const CALIBRATE_MS = 4000;

export interface MeasuredRoute extends Figures, Samples {
  readonly route: string;
  readonly macs: number;
  readonly top1?: number;
  /** By the profile that was made right before, from a few routes. */
  readonly predictedMs: number;
  readonly onLadder: boolean;
}

export interface MeasuredExecutor {
  readonly executor: ExecutorKind;
  readonly reason: string;
  readonly adapter?: AdapterSummary;
  /** From the call of `createRuntime`, ms: first routes runnable, first answer, everything loaded. */
  readonly firstRoutesMs: number;
  readonly firstAnswerMs: number;
  readonly loadedMs: number;
  readonly bytesTotal: number;
  readonly bytesFromCache: number;
  /** Median relative error of the profile over routes that were left out of its fit; −1 where it is not known. */
  readonly profileError: number;
  readonly routesOfBundle: number;
  readonly routes: readonly MeasuredRoute[];
}

/** What can be copied and downloaded. */
export interface BenchResult {
  readonly format: 'running-stitch-bench/1';
  readonly version: string;
  readonly at: string;
  readonly userAgent: string;
  readonly bundle: { readonly name: string; readonly version: string; readonly hash: string };
  readonly effort: Effort;
  /** The page was out of sight for a while, and the browser may have slowed it. */
  readonly wasHidden: boolean;
  readonly executors: readonly MeasuredExecutor[];
  readonly unavailable: readonly Unavailable[];
}

export type Step =
  | { readonly kind: 'loading'; readonly progress: LoadProgress }
  | { readonly kind: 'calibrating' }
  | { readonly kind: 'measuring'; readonly route: string; readonly share: number; readonly leftMs: number };

export interface BenchPlan {
  readonly executors: readonly ExecutorKind[];
  readonly onlyLadder: boolean;
  readonly effort: Effort;
  readonly bundle: URL;
  /** The same for every frame. */
  readonly frame: FrameSource;
  readonly signal: AbortSignal;
  /** `index`: of the executor among those planned. */
  readonly onStep: (index: number, executor: ExecutorKind, step: Step) => void;
}

/** Errors: aborted, network, bundle-*, frame-invalid; an executor that fails otherwise is part of the result. */
export async function bench(plan: BenchPlan): Promise<BenchResult> {
  const executors: MeasuredExecutor[] = [];
  const unavailable: Unavailable[] = [];
  let bundle: BenchResult['bundle'] = { name: '', version: '', hash: '' };
  let wasHidden = document.hidden;
  const look = () => (wasHidden ||= document.hidden);
  document.addEventListener('visibilitychange', look);
  try {
    for (const [index, executor] of plan.executors.entries()) {
      const tell = (step: Step) => plan.onStep(index, executor, step);
      const options: OpenOptions = { ...plan, waitFor: 'first', onProgress: (progress) => tell({ kind: 'loading', progress }) };
      const outcome = await onExecutor(executor, options, (opened) => {
        const { name, version, hash } = opened.runtime.bundle;
        bundle = { name, version, hash };
        return measureOne(opened, plan, tell);
      });
      if ('done' in outcome) executors.push(outcome.done);
      else unavailable.push(outcome.unavailable);
    }
  } finally {
    document.removeEventListener('visibilitychange', look);
  }
  const { effort } = plan;
  const at = new Date().toISOString();
  const { userAgent } = navigator;
  return {
    format: 'running-stitch-bench/1',
    version: VERSION,
    at,
    userAgent,
    bundle,
    effort,
    wasHidden,
    executors,
    unavailable,
  };
}

async function measureOne(
  { runtime, began, startMs, progress }: Opened,
  { frame, signal, effort, onlyLadder }: Pick<BenchPlan, 'frame' | 'signal' | 'effort' | 'onlyLadder'>,
  tell: (step: Step) => void,
): Promise<MeasuredExecutor> {
  await classify(runtime, frame, signal);
  const firstAnswerMs = performance.now() - began;
  await runtime.loaded;
  const loadedMs = performance.now() - began;
  tell({ kind: 'calibrating' });
  await untilFree(() => runtime.calibrate({ signal, maxMs: CALIBRATE_MS }), signal);
  // The ladder and the profile move with live frames; what counts is what was known before.
  const { ladder, profile, routes } = runtime;
  const rungs = new Set(ladder.map(({ id }) => id));
  const expectedMs = new Map(profile.routes.map(({ route, predictedMs }) => [route, predictedMs]));
  const chosen = routes
    .filter(({ id, available }) => available && (!onlyLadder || rungs.has(id)))
    .sort((a, b) => a.macs - b.macs);
  const samples = await measureRoutes(
    chosen.map(({ id }) => id),
    effort,
    expectedMs,
    async (route) => (await classify(runtime, frame, signal, route)).timing.totalMs,
    tell,
  );
  const { executor, reason, adapter } = runtime.device;
  return {
    executor,
    reason,
    ...(adapter === undefined ? {} : { adapter }),
    firstRoutesMs: startMs,
    firstAnswerMs,
    loadedMs,
    ...progressOf(progress()),
    profileError: profile.medianError,
    routesOfBundle: routes.length,
    routes: chosen.map(({ id, macs, top1 }) => {
      const own = samples.get(id) ?? { steadyMs: [], switchedMs: [] };
      return {
        route: id,
        macs,
        ...(top1 === undefined ? {} : { top1 }),
        predictedMs: expectedMs.get(id) ?? NaN,
        onLadder: rungs.has(id),
        ...figuresOf(own),
        ...own,
      };
    }),
  };
}

const progressOf = ({ bytesTotal, bytesFromCache }: ReturnType<Opened['progress']>) => ({ bytesTotal, bytesFromCache });

async function measureRoutes(
  routes: readonly string[],
  { rounds, framesPerVisit }: Effort,
  expectedMs: ReadonlyMap<string, number>,
  run: (route: string) => Promise<number>,
  tell: (step: Step) => void,
): Promise<ReadonlyMap<string, Samples>> {
  const samples = new Map(routes.map((route) => [route, { steadyMs: [] as number[], switchedMs: [] as number[] }]));
  // Once round for cold caches, which does not count.
  for (const route of routes) await run(route);
  const visits = visitsOf(routes, rounds);
  const weights = weightsOf(visits, expectedMs);
  const began = performance.now();
  for (const [i, { route, switched }] of visits.entries()) {
    const { done, leftMs } = shareOf(weights, i, performance.now() - began);
    tell({ kind: 'measuring', route, share: done, leftMs });
    const own = samples.get(route);
    for (let f = 0; f <= framesPerVisit; f++) {
      (f === 0 && switched ? own?.switchedMs : own?.steadyMs)?.push(await run(route));
    }
  }
  return samples;
}

const classify = (runtime: Runtime, frame: FrameSource, signal: AbortSignal, route?: string) =>
  untilFree(() => runtime.classify(frame, { signal, ...(route === undefined ? {} : { route }) }), signal);
