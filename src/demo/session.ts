/** One runtime at a time: load, cancel, load again, and turn its events into state. */
import { StitchError, createRuntime, explainDecision } from '../index';
import type { BackendChoice, Budget, ControlMode, FrameSource, Runtime, Rung } from '../index';
import { describeTrouble, isPassing } from './troubles';
import { withEntry, withSample } from './state';
import type { Loaded, State } from './state';
import { niceBudget } from './ui/scale';

export interface SessionHost {
  readonly backend: BackendChoice;
  readonly bundle: URL;
  /** From the URL; null: chosen from the measured ladder. */
  readonly budgetMs: number | null;
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
  /** Everything a bug report needs. */
  diagnostics(): Promise<unknown>;
}

const BUSY_RETRIES = 20;
const BUSY_PAUSE_MS = 150;

export function createSession(host: SessionHost): Session {
  const { get, change } = host;
  let runtime: Runtime | null = null;
  let loading: AbortController | null = null;
  let stopWatching: (() => void) | null = null;
  let glance = 0;

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

  const listen = (made: Runtime) => {
    made.on('result', (result) => {
      if (made !== runtime) return;
      change({
        result,
        route: made.route,
        samples: withSample(get().samples, { at: performance.now(), ms: result.timing.totalMs }),
      });
    });
    made.on('switch', (decision) => {
      const { from, to, signals } = decision;
      change({
        route: made.route,
        ...(signals === undefined ? {} : { signals }),
        log: withEntry(get().log, { at: performance.now(), from, to, text: explainDecision(decision) }),
      });
    });
    made.on('snapshot', (snapshot) => {
      const { loaded } = get();
      // The ladder and the device may change while it runs: more routes arrive, or the GPU is lost and the CPU takes over.
      if (loaded !== null && !sameLadder(loaded.ladder, made.ladder)) change({ loaded: { ...loaded, ladder: made.ladder } });
      if (loaded !== null && loaded.device !== made.device) change({ loaded: { ...loaded, device: made.device } });
      change({ snapshot, signals: snapshot.signals, route: made.route });
    });
    made.on('lost', ({ reason, message }) =>
      change({ notice: `The GPU went away (${reason}${message === '' ? '' : `: ${message}`}).` }),
    );
    made.on('error', (error) => {
      // A frame that comes while the last one is being answered is normal, and not worth a word.
      if (error.code === 'busy' || error.code === 'aborted') return;
      // So is a video that has no picture for a moment, at the seam of its loop or on a busy device.
      if (error.code === 'frame-invalid' && get().showing === 'video') return;
      if (isPassing(error)) change({ notice: error.message });
      else fail(error);
    });
  };

  /** A paused source still gets its answer: once for every new picture. */
  const lookOnce = async (picture: FrameSource) => {
    const mine = ++glance;
    for (let i = 0; i < BUSY_RETRIES && mine === glance && runtime !== null; i++) {
      try {
        await runtime.classify(picture);
        return;
      } catch (error) {
        const trouble = describeTrouble(error);
        if (trouble.code !== 'busy') {
          if (trouble.code !== 'disposed' && trouble.code !== 'aborted') change({ notice: trouble.message });
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, BUSY_PAUSE_MS));
      }
    }
  };

  const look = () => {
    stopWatching?.();
    stopWatching = null;
    glance++;
    const picture = host.picture();
    if (runtime === null || picture === null) return;
    if (get().playing) stopWatching = runtime.watch(picture);
    else void lookOnce(picture);
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
    change({ budgetMs: budget.latencyMs, energy: budget.energy });
    attempt(() => {
      if (runtime === null) return;
      runtime.budget = budget;
      change({ route: runtime.route });
    });
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
        samples: [],
        log: [],
        route: '',
      });
      try {
        const { budgetMs, energy, mode } = get();
        const made = await createRuntime({
          bundle: host.bundle,
          backend: host.backend,
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
        listen(made);
        const loaded = describe(made);
        const started = `Started with ${made.route} on ${loaded.device.executor}: ${made.ladder.length} of ${made.routes.length} routes are worth using here.`;
        change({
          phase: 'ready',
          loaded,
          route: made.route,
          log: [{ at: performance.now(), from: '', to: made.route, text: started }],
        });
        const wanted = host.budgetMs ?? niceBudget(made.ladder);
        if (wanted !== budgetMs) setBudget({ latencyMs: wanted, energy });
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
    async diagnostics() {
      const { loaded, route, mode, budgetMs, energy, snapshot, trouble, load, log } = get();
      const stats = await runtime?.stats().catch(() => null);
      return {
        at: new Date().toISOString(),
        userAgent: navigator.userAgent,
        loaded,
        check: runtime?.check,
        route,
        mode,
        budgetMs,
        energy,
        snapshot,
        trouble,
        load,
        stats,
        log,
      };
    },
  };
}

function describe(runtime: Runtime): Loaded {
  const { device, bundle, inputSize, labels, anchors, routes, ladder } = runtime;
  return { device, bundle, inputSize, classes: labels.length, anchors, routes, ladder };
}

function sameLadder(a: readonly Rung[], b: readonly Rung[]): boolean {
  return a === b || (a.length === b.length && a.every((rung, i) => rung.id === b[i]?.id && rung.costMs === b[i]?.costMs));
}
