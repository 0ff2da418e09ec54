/** One runtime at a time: load, cancel, load again, and turn its events into state. */
import { StitchError, VERSION, checkSupport, createRuntime, storage } from '../index';
import type {
  BackendChoice,
  Budget,
  CalibrateOptions,
  ControlMode,
  DeviceProfile,
  FrameSource,
  Recording,
  Runtime,
} from '../index';
import { describe, listen } from './events';
import type { State } from './state';
import { describeTrouble } from './troubles';
import { niceBudget } from './ui/scale';
import { whenFree } from './when-free';

export interface SessionHost {
  readonly backend: BackendChoice;
  readonly bundle: URL;
  /** From the URL; null: chosen from the measured ladder. */
  readonly budgetMs: number | null;
  readonly guardPage: boolean;
  readonly get: () => State;
  readonly change: (patch: Partial<State>) => void;
  /** What to look at now; null: nothing. */
  readonly picture: () => HTMLVideoElement | HTMLCanvasElement | null;
}

export interface Session {
  load(): Promise<void>;
  cancel(): void;
  /** The stage changed, or plays, or pauses. */
  look(): void;
  setBudget(budget: Budget): void;
  setMode(mode: ControlMode): void;
  /** Measures the device; the picture waits meanwhile. Errors: as `Runtime.calibrate`, and disposed where nothing runs. */
  calibrate(options: CalibrateOptions): Promise<DeviceProfile>;
  /** Errors: disposed where nothing runs. */
  record(): Recording;
  /** Loads an anchor that was left out or did not arrive; trouble is said in the notice. */
  loadMore(anchor: string): Promise<void>;
  /** Everything a bug report needs. */
  diagnostics(): Promise<unknown>;
}

/** How long diagnostics wait for the engine. */
const STATS_MS = 2000;

export function createSession(host: SessionHost): Session {
  const { get, change } = host;
  let runtime: Runtime | null = null;
  let loading: AbortController | null = null;
  let stopWatching: (() => void) | null = null;
  let glance = 0;
  let calibrating = false;
  /** Somebody has chosen a budget, so none is proposed any more. */
  let chosen = host.budgetMs !== null;

  const release = async () => {
    stopWatching?.();
    stopWatching = null;
    const old = runtime;
    runtime = null;
    await old?.dispose();
  };

  const fail = (error: unknown) => {
    change({ phase: 'error', trouble: describeTrouble(error), loaded: null, result: null, snapshot: null, route: '' });
    void release();
  };

  /** A paused source still gets its answer: once for every new picture. */
  const lookOnce = async (made: Runtime, picture: FrameSource) => {
    const mine = ++glance;
    try {
      await whenFree(
        () => made.classify(picture),
        () => mine === glance && made === runtime,
      );
    } catch (error) {
      const { code, message } = describeTrouble(error);
      if (code !== 'busy' && code !== 'disposed' && code !== 'aborted') change({ notice: message });
    }
  };

  const look = () => {
    stopWatching?.();
    stopWatching = null;
    glance++;
    const picture = host.picture();
    if (runtime === null || picture === null || calibrating) return;
    if (get().playing) stopWatching = runtime.watch(picture);
    else void lookOnce(runtime, picture);
  };

  const running = (): Runtime => {
    if (runtime === null) throw new StitchError('disposed', 'No networks are loaded.');
    return runtime;
  };

  const attempt = (act: () => void) => {
    try {
      act();
    } catch (error) {
      // A route locked before may be missing from what was loaded now.
      change({ notice: describeTrouble(error).message, mode: { kind: 'auto' } });
    }
  };

  const setBudget = (budget: Budget) => {
    if (budget.latencyMs !== get().budgetMs) chosen = true;
    applyBudget(budget);
  };

  const applyBudget = (budget: Budget) => {
    change({ budgetMs: budget.latencyMs, energy: budget.energy });
    attempt(() => {
      if (runtime === null) return;
      runtime.budget = budget;
      change({ route: runtime.route });
    });
  };

  /** A budget that suits the ladder, which grows while networks arrive. */
  const propose = ({ ladder }: Runtime) => {
    const latencyMs = niceBudget(ladder);
    if (!chosen && latencyMs !== get().budgetMs) applyBudget({ latencyMs, energy: get().energy });
  };

  /** Nothing more arrives, for now. */
  const settle = (made: Runtime) => {
    if (made !== runtime) return;
    change({ complete: true, progress: null });
    propose(made);
  };

  const setMode = (mode: ControlMode) => {
    attempt(() => {
      if (runtime === null) return change({ mode });
      runtime.mode = mode;
      change({ mode, route: runtime.route });
    });
  };

  return {
    async load() {
      loading?.abort();
      const mine = new AbortController();
      loading = mine;
      await release();
      if (mine !== loading) return;
      change({
        phase: 'loading',
        trouble: null,
        progress: null,
        result: null,
        snapshot: null,
        loaded: null,
        complete: false,
        samples: [],
        log: [],
        route: '',
        calibration: { kind: 'idle' },
      });
      try {
        const { budgetMs, energy, mode } = get();
        const made = await createRuntime({
          bundle: host.bundle,
          backend: host.backend,
          guardPage: host.guardPage,
          budget: { latencyMs: budgetMs, energy },
          signal: mine.signal,
          onProgress: (progress) => mine === loading && change({ progress }),
        });
        // Cancelled, or another attempt has begun.
        if (mine !== loading) {
          await made.dispose();
          return;
        }
        runtime = made;
        // A paused picture was answered on another route than the one shown now.
        const switched = () => made === runtime && !get().playing && look();
        listen(made, { get, change, fail, switched, settled: () => settle(made), isCurrent: () => made === runtime });
        const loaded = describe(made);
        const started = `Started with ${made.route} on ${loaded.device.executor}: ${made.ladder.length} of ${made.routes.length} routes are worth using here.`;
        change({
          phase: 'ready',
          loaded,
          route: made.route,
          log: [{ at: performance.now(), from: '', to: made.route, text: started }],
        });
        propose(made);
        // What does not arrive is said by the runtime's error event.
        const settled = () => settle(made);
        made.loaded.then(settled, settled);
        if (mode.kind !== 'auto') setMode(mode);
        look();
      } catch (error) {
        if (mine === loading) fail(error);
      }
    },
    cancel() {
      // Said at once; what is still under way notices the signal and tidies up behind the scenes.
      loading?.abort();
      loading = null;
      fail(new StitchError('aborted', 'Loading was cancelled.'));
    },
    look,
    setBudget,
    setMode,
    async calibrate(options) {
      const made = running();
      stopWatching?.();
      stopWatching = null;
      glance++;
      calibrating = true;
      try {
        const wanted = () => made === runtime && options.signal?.aborted !== true;
        const profile = await whenFree(() => made.calibrate(options), wanted);
        if (profile === undefined) throw new StitchError('aborted', 'Measuring was cancelled.');
        return profile;
      } finally {
        calibrating = false;
        look();
      }
    },
    record: () => running().record(),
    async loadMore(anchor) {
      const made = runtime;
      if (made === null) return;
      change({ complete: false });
      try {
        await made.loadMore(anchor);
      } catch (error) {
        const { code, message } = describeTrouble(error);
        if (code !== 'disposed' && code !== 'aborted') change({ notice: message });
      }
      settle(made);
    },
    async diagnostics() {
      const { loaded, route, mode, budgetMs, energy, snapshot, trouble, notice, load, log } = get();
      const [stats, support, kept] = await Promise.all([
        // An engine that is being mended answers only afterwards.
        runtime &&
          Promise.race([runtime.stats().catch(() => null), new Promise((resolve) => setTimeout(resolve, STATS_MS, null))]),
        checkSupport(),
        storage.usage().catch((error: unknown) => describeTrouble(error)),
      ]);
      return {
        version: VERSION,
        at: new Date().toISOString(),
        userAgent: navigator.userAgent,
        support,
        storage: kept,
        loaded,
        check: runtime?.check,
        route,
        mode,
        budgetMs,
        energy,
        snapshot,
        trouble,
        notice,
        load,
        stats,
        log,
      };
    },
  };
}
