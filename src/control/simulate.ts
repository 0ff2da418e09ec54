/** A device that does not exist: a pilot (the controller, a baseline, the oracle) run over a trace with seeded noise. Pure. */
import type { Budget } from '../core/types';
import { UNKNOWN_SIGNALS, targetFor } from './budget';
import { sortRungs } from './ladder';
import { NO_PACE, nextDue } from './pace';
import { hash32, mulberry32, normal } from './random';
import type { StartOptions } from './state';
import { presentRungs } from './traces';
import type { Trace } from './traces';
import type { ControlEvent, Decision, Rung } from './types';

/** The constants of the simulator, the same for every trace, ladder and pilot. */
export const SIMULATION = {
  /** Frames arrive this often, ms. One is answered at a time; of those that arrive meanwhile only the newest stays. */
  frameMs: 1000 / 30,
  /** A first frame on a new route takes this much longer. */
  switchFactor: 1.1,
  /** Frames that are not judged after a step from outside… */
  graceFrames: 2,
  /** …which is a change by more than this factor between two frames' times. */
  graceJump: 1.1,
} as const;

/** Whoever picks routes. `routeAt`, where given, knows the time; else the events have to do. */
export interface Pilot {
  readonly route: string;
  /** Share of frames to classify. */
  readonly duty: number;
  /** When the energy plan allows the next frame, ms; at once where it is absent. */
  readonly readyAt?: number;
  routeAt?(tick: number): string;
  dispatch(event: ControlEvent): Decision | undefined;
}

/** A trace on a grid of frame times, for one ladder. */
export interface Course {
  readonly trace: Trace;
  /** The whole ladder, cheapest first. */
  readonly rungs: readonly Rung[];
  readonly ticks: number;
  readonly slowdown: Float64Array;
  /** What one inference may take after battery and energy mode: the budget that everybody is judged by. */
  readonly budgetMs: Float64Array;
  /** Busy seconds a minute that battery and energy mode allow. */
  readonly planSeconds: Float64Array;
  readonly alive: Uint8Array;
  /** By tick, then rung: 1 where the rung can be run. Ticks with the same set share one array. */
  readonly present: readonly Uint8Array[];
  /** What the pilot is told, with when. */
  readonly events: ReadonlyMap<number, readonly ControlEvent[]>;
  /** 1: the device or the budget stepped; 2: the user or the host changed something, which may be followed at once. */
  readonly steps: Uint8Array;
}

/** What happened, frame by frame, in columns. */
export interface Run {
  readonly course: Course;
  readonly count: number;
  readonly tick: Int32Array;
  readonly rung: Uint8Array;
  readonly latencyMs: Float64Array;
  /** Not judged: within {@link SIMULATION}.graceFrames after a step. */
  readonly grace: Uint8Array;
  /** 1 where something from outside other than slowdown came since the frame before. */
  readonly told: Uint8Array;
  /** Ticks at which the energy plan held a frame back. */
  readonly withheld: number;
  readonly decisions: readonly Decision[];
}

const userBudget = ({ budgetMs, energy = 'balanced' }: Trace, second: number): Budget => ({
  latencyMs: budgetMs(second),
  energy,
});
const secondOf = (tick: number): number => (tick * SIMULATION.frameMs) / 1000;

export function layOut(trace: Trace, ladder: readonly Rung[]): Course {
  const rungs = sortRungs(ladder);
  const ticks = Math.ceil((trace.seconds * 1000) / SIMULATION.frameMs - 1e-9);
  const slowdown = new Float64Array(ticks);
  const budgetMs = new Float64Array(ticks);
  const planSeconds = new Float64Array(ticks);
  const alive = new Uint8Array(ticks);
  const steps = new Uint8Array(ticks);
  const present: Uint8Array[] = [];
  const events = new Map<number, ControlEvent[]>();
  const tell = (tick: number, event: ControlEvent): void => {
    events.set(tick, [...(events.get(tick) ?? []), event]);
    steps[tick] = (steps[tick] ?? 0) | 2;
  };
  let told = { budget: trace.budgetMs(0), signals: trace.signals && JSON.stringify(trace.signals(0)) };
  for (let tick = 0; tick < ticks; tick++) {
    const second = secondOf(tick);
    const now = tick * SIMULATION.frameMs;
    const signals = trace.signals?.(second);
    const budget = userBudget(trace, second);
    slowdown[tick] = trace.slowdown(second);
    const target = targetFor(budget, signals ?? UNKNOWN_SIGNALS);
    budgetMs[tick] = target.targetMs;
    planSeconds[tick] = target.planSeconds;
    alive[tick] = (trace.alive?.(second) ?? true) ? 1 : 0;
    const before = present[tick - 1];
    const here = presentAt(trace, rungs.length, second, before);
    const same = before === here;
    present.push(here);
    const next = { budget: budget.latencyMs, signals: signals && JSON.stringify(signals) };
    if (tick > 0) {
      if (!same) tell(tick, { type: 'ladder', now, rungs: presentRungs(trace, rungs, second) });
      if (signals && next.signals !== told.signals) tell(tick, { type: 'signals', now, signals });
      if (next.budget !== told.budget) tell(tick, { type: 'budget', now, budget });
      if (jumped(slowdown, tick) || jumped(budgetMs, tick) || !same) steps[tick] = (steps[tick] ?? 0) | 1;
    }
    told = next;
  }
  for (const { second, why } of trace.resets ?? []) {
    const tick = Math.ceil((second * 1000) / SIMULATION.frameMs - 1e-9);
    tell(tick, { type: 'reset', now: tick * SIMULATION.frameMs, why });
    steps[tick] = (steps[tick] ?? 0) | 1;
  }
  return { trace, rungs, ticks, slowdown, budgetMs, planSeconds, alive, present, events, steps };
}

/** The set before, itself, where nothing changed. */
function presentAt({ present }: Trace, all: number, second: number, before: Uint8Array | undefined): Uint8Array {
  if (before && !present) return before;
  const here = Uint8Array.from({ length: all }, (_, index) => ((present?.(index, all, second) ?? true) ? 1 : 0));
  return before?.every((one, index) => one === here[index]) ? before : here;
}

function jumped(values: Float64Array, tick: number): boolean {
  const before = values[tick - 1] ?? 1;
  const after = values[tick] ?? 1;
  return Math.max(before / after, after / before) > SIMULATION.graceJump;
}

/** What a pilot knows at the start. */
export function briefing({ trace, rungs }: Course): StartOptions {
  const signals = trace.signals?.(0);
  return { rungs: presentRungs(trace, rungs, 0), budget: userBudget(trace, 0), now: 0, ...(signals ? { signals } : {}) };
}

/** Log standard deviation of the noise on latency. */
export function logSdOf(trace: Trace): number {
  return Math.sqrt(Math.log(1 + trace.cv ** 2));
}

/** Factor on the latency of the frame that begins at each tick: the same for every pilot, so that they can be compared. */
export function noiseFor(trace: Trace, ticks: number, seed: number): Float64Array {
  const random = mulberry32((hash32(`${trace.id} ${trace.variant ?? ''}`) + Math.imul(seed + 1, 0x9e3779b1)) >>> 0);
  const logSd = logSdOf(trace);
  const noise = new Float64Array(ticks);
  for (let tick = 0; tick < ticks; tick++) {
    const spike = random() < trace.spikes ? trace.spikeFactor : 1;
    noise[tick] = spike * Math.exp(logSd * normal(random));
  }
  return noise;
}

/** Latency of a rung without noise. A route too light for the device's clocks runs slower than its share. */
export function quietMs(course: Course, rung: number, tick: number): number {
  const ms = (course.rungs[rung]?.costMs ?? NaN) * (course.slowdown[tick] ?? 1);
  const { clocks } = course.trace;
  return clocks && ms < clocks.below * SIMULATION.frameMs ? ms * clocks.factor : ms;
}

export function fly(course: Course, noise: Float64Array, pilot: Pilot): Run {
  const { ticks, rungs, events, steps, alive } = course;
  const { frameMs, switchFactor, graceFrames } = SIMULATION;
  const indexOf = new Map(rungs.map(({ id }, index) => [id, index]));
  const tickOf = new Int32Array(ticks);
  const rungOf = new Uint8Array(ticks);
  const latency = new Float64Array(ticks);
  const graces = new Uint8Array(ticks);
  const tolds = new Uint8Array(ticks);
  const decisions: Decision[] = [];
  const note = (decision: Decision | undefined): void => {
    if (decision) decisions.push(decision);
  };
  let count = 0;
  let grace = 0;
  let told = 0;
  let withheld = 0;
  let due: number = NO_PACE;
  let seen = 0;
  /** Tells the pilot what lies before `end`, in order. */
  const pass = (end: number): void => {
    for (; seen < end; seen++) {
      const step = steps[seen] ?? 0;
      if (step === 0) continue;
      if (step & 1) grace = graceFrames;
      if (step & 2) {
        told = 1;
        for (const event of events.get(seen) ?? []) note(pilot.dispatch(event));
      }
    }
  };
  for (let at = 0; ;) {
    const tick = Math.floor(at / frameMs + 1e-9);
    if (tick >= ticks) break;
    pass(tick + 1);
    if (!alive[tick] || pilot.duty <= 0 || at + frameMs / 2 < due || at < (pilot.readyAt ?? at)) {
      if (alive[tick] && at < (pilot.readyAt ?? at)) withheld++;
      at = (tick + 1) * frameMs;
      continue;
    }
    const route = pilot.routeAt?.(tick) ?? pilot.route;
    const rung = indexOf.get(route);
    if (rung === undefined || !course.present[tick]?.[rung]) throw new Error(`${route} is not on the ladder at tick ${tick}.`);
    const fresh = count > 0 && rungOf[count - 1] !== rung;
    const latencyMs = quietMs(course, rung, tick) * (noise[tick] ?? 1) * (fresh ? switchFactor : 1);
    tickOf[count] = tick;
    rungOf[count] = rung;
    latency[count] = latencyMs;
    graces[count] = grace > 0 ? 1 : 0;
    tolds[count] = told;
    count++;
    grace = Math.max(0, grace - 1);
    told = 0;
    const end = at + latencyMs;
    const newest = Math.floor(end / frameMs + 1e-9);
    pass(Math.min(ticks, newest + 1));
    note(pilot.dispatch({ type: 'sample', now: end, route, latencyMs }));
    due = nextDue(due, at, end, frameMs, pilot.duty);
    // A frame that came meanwhile waits and starts at once; else the next one is waited for.
    at = newest > tick ? end : (tick + 1) * frameMs;
  }
  return { course, count, tick: tickOf, rung: rungOf, latencyMs: latency, grace: graces, told: tolds, withheld, decisions };
}
