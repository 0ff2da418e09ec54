/**
 * The workbench below the classifier: trade-off, measuring, device, scripts and traces. A chunk of its own, fetched beside the
 * weights: nothing here is needed for the first answer.
 */
import type { Session } from '../session';
import type { State } from '../state';
import { describeTrouble } from '../troubles';
import { isWhole } from '../ui/arrivals';
import { sliderRange } from '../ui/scale';
import { createCalibration } from './calibration';
import { createDevicePanel } from './device';
import { type BudgetScript, type ScriptShape, budgetAt, makeScript } from './script';
import { createScriptView } from './script-view';
import { playBack } from './trace';
import { createTraceView } from './trace-view';
import { createTradeoff } from './tradeoff';

export interface LabHost {
  readonly get: () => State;
  readonly change: (patch: Partial<State>) => void;
  readonly session: Session;
}

const TICK_MS = 100;
/** A script goes from where nothing fits to where everything does. */
const BELOW = 0.85;
const ABOVE = 1.5;
/** A trace of an hour is a tenth of this. */
const MOST_TRACE_BYTES = 64e6;

export function createLab(host: LabHost): (state: State) => void {
  const { get, change, session } = host;
  const sweeper = createSweeper(host);
  const recorder = createRecorder(host);
  let measuring: AbortController | null = null;

  const isKept = () => {
    const { loaded } = get();
    return loaded !== null && isWhole(loaded);
  };
  const measure = async () => {
    const mine = new AbortController();
    measuring = mine;
    sweeper.start(null);
    change({ calibration: { kind: 'running', progress: null } });
    try {
      await session.calibrate({
        signal: mine.signal,
        onProgress: (progress) => mine === measuring && change({ calibration: { kind: 'running', progress } }),
      });
      if (mine === measuring) change({ calibration: { kind: 'done', kept: isKept() } });
    } catch (error) {
      const { code, message } = describeTrouble(error);
      if (mine !== measuring) return;
      const cancelled = code === 'aborted' || mine.signal.aborted;
      change({ calibration: cancelled ? { kind: 'cancelled' } : { kind: 'failed', why: message || code } });
    }
  };

  const play = (name: string, text: string) => {
    try {
      change({ playback: { kind: 'shown', name, playback: playBack(text) } });
    } catch (error) {
      change({ playback: { kind: 'broken', name, why: error instanceof Error ? error.message : String(error) } });
    }
  };
  const open = async (file: File) => {
    if (file.size > MOST_TRACE_BYTES) {
      change({ playback: { kind: 'broken', name: file.name, why: 'It is too large to be a trace of this page.' } });
      return;
    }
    try {
      play(file.name, await file.text());
    } catch {
      change({ playback: { kind: 'broken', name: file.name, why: 'The browser could not read the file.' } });
    }
  };

  const views = [
    createTradeoff({
      lock: (route) => session.setMode({ kind: 'lock', route }),
      free: () => session.setMode({ kind: 'auto' }),
    }),
    createCalibration({
      measure: () => void measure(),
      cancel: () => measuring?.abort(),
    }),
    createDevicePanel(),
    createScriptView({
      sweep: (shape) => sweeper.start(shape),
      record: (on) => (on ? recorder.start() : recorder.stop()),
      playLast: () => {
        const { recording } = get();
        if (recording.kind === 'done') play(recording.name, recording.text);
      },
      open: (file) => void open(file),
    }),
  ];
  const trace = createTraceView();
  // A slider that moves in a tab that nobody sees would only cost.
  document.addEventListener('visibilitychange', () => document.hidden && sweeper.start(null));

  return (state) => {
    for (const view of views) view(state);
    trace(state.playback);
    if (state.phase === 'ready') return;
    sweeper.start(null);
    if (state.recording.kind === 'on') recorder.stop();
  };
}

/** Moves the budget by a script until told otherwise; `null` stops and puts the slider back. */
function createSweeper({ get, change, session }: LabHost): { start(shape: ScriptShape | null): void } {
  let timer: ReturnType<typeof setInterval> | undefined;

  const set = (latencyMs: number) => session.setBudget({ latencyMs, energy: get().energy });
  const scriptOf = (shape: ScriptShape): BudgetScript | undefined => {
    const { loaded, budgetMs, snapshot, playback } = get();
    if (shape === 'trace') return playback.kind === 'shown' ? playback.playback.script : undefined;
    const costs = (loaded?.ladder ?? []).map((rung) => rung.costMs * (snapshot?.slowdown ?? 1));
    if (loaded === null || costs.length === 0) return undefined;
    const { min, max, step } = sliderRange(loaded.ladder, budgetMs);
    const low = Math.min(Math.max(Math.min(...costs) * BELOW, min), max / 2);
    const high = Math.min(Math.max(Math.max(...costs) * ABOVE, low * 2), max);
    return makeScript(shape, { low, high, step });
  };

  return {
    start(shape) {
      const { sweep } = get();
      clearInterval(timer);
      const restoreMs = sweep.kind === 'on' ? sweep.restoreMs : get().budgetMs;
      if (shape === null) {
        if (sweep.kind === 'off') return;
        change({ sweep: { kind: 'off', why: 'Stopped; the budget is back where it was.' } });
        set(restoreMs);
        return;
      }
      const script = scriptOf(shape);
      if (script === undefined) return;
      change({ sweep: { kind: 'on', shape, restoreMs } });
      const began = performance.now();
      let last: number | undefined;
      timer = setInterval(() => {
        // Somebody took the slider; it stays where they put it.
        if (get().sweep.kind === 'off') return clearInterval(timer);
        const wanted = budgetAt(script, performance.now() - began);
        if (wanted === undefined || wanted === last) return;
        last = wanted;
        set(wanted);
      }, TICK_MS);
    },
  };
}

function createRecorder({ get, change, session }: LabHost): { start(): void; stop(): void } {
  let stopRecording: (() => string) | null = null;
  return {
    start() {
      const { recording } = get();
      if (recording.kind === 'done') URL.revokeObjectURL(recording.url);
      try {
        const made = session.record();
        stopRecording = () => made.stop();
        change({ recording: { kind: 'on', since: performance.now() } });
      } catch (error) {
        change({ recording: { kind: 'failed', why: describeTrouble(error).message } });
      }
    },
    stop() {
      if (stopRecording === null) return;
      const text = stopRecording();
      stopRecording = null;
      const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
      const url = URL.createObjectURL(new Blob([text], { type: 'application/jsonl' }));
      change({ recording: { kind: 'done', text, name: `running-stitch-${stamp}.jsonl`, url } });
    },
  };
}
