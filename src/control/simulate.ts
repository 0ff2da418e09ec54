/** A device that does not exist: the controller run over traces of slowdown and budget, with seeded noise. Pure. */
import type { Budget } from '../core/types';
import { createController } from './controller';
import { TUNING } from './tuning';
import type { Decision, Rung } from './types';

export interface Trace {
  readonly id: string;
  readonly seconds: number;
  /** Slowdown of the device at a time, 1 is as profiled. */
  readonly slowdown: (second: number) => number;
  readonly budgetMs: (second: number) => number;
  /** Coefficient of variation of the log-normal noise on latency. */
  readonly cv: number;
  /** Share of frames that take `spikeFactor` times as long. */
  readonly spikes: number;
  readonly spikeFactor: number;
}

export interface SimulatedFrame {
  /** When it began, seconds. */
  readonly second: number;
  readonly route: string;
  readonly latencyMs: number;
  readonly budgetMs: number;
  readonly slowdown: number;
  /** Within two frames after a jump of slowdown or budget of more than a tenth. */
  readonly grace: boolean;
}

export interface SimulationResult {
  readonly frames: readonly SimulatedFrame[];
  readonly decisions: readonly Decision[];
  /** Frames over budget outside grace, as a share of those frames. */
  readonly violations: number;
  /** The part of `violations` in which no rung of the ladder would have been expected to fit. */
  readonly hopeless: number;
  /** Route changes a minute. */
  readonly switchesPerMinute: number;
  /** A→B→A within two seconds, for causes of the controller's own, a minute. */
  readonly reversalsPerMinute: number;
  /** Mean accuracy of the best rung whose true p95 fits, minus ours, in points (share × 100). */
  readonly regret: number;
}

const FRAME_MS = 1000 / 30;
const GRACE_FRAMES = 2;
const GRACE_JUMP = 1.1;
const REVERSAL_MS = 2000;

/** Frames arrive at 30 a second; one is in flight at a time, and those that arrive meanwhile are dropped. */
export function simulate(trace: Trace, rungs: readonly Rung[], seed: number): SimulationResult {
  const random = mulberry32(seed);
  const budgetAt = (second: number): Budget => ({ latencyMs: trace.budgetMs(second), energy: 'balanced' });
  const controller = createController({ rungs, budget: budgetAt(0), now: 0 });
  const byId = new Map(rungs.map((rung) => [rung.id, rung]));
  const logSd = Math.sqrt(Math.log(1 + trace.cv ** 2));
  const frames: SimulatedFrame[] = [];
  const decisions: Decision[] = [controller.first];
  let budget = trace.budgetMs(0);
  let slowdown = trace.slowdown(0);
  let grace = 0;
  for (let tick = 0; tick * FRAME_MS < trace.seconds * 1000;) {
    const now = tick * FRAME_MS;
    const second = now / 1000;
    const nextBudget = trace.budgetMs(second);
    const nextSlowdown = trace.slowdown(second);
    if (jumped(budget, nextBudget) || jumped(slowdown, nextSlowdown)) grace = GRACE_FRAMES;
    if (nextBudget !== budget) {
      const decision = controller.dispatch({ type: 'budget', now, budget: budgetAt(second) });
      if (decision) decisions.push(decision);
    }
    budget = nextBudget;
    slowdown = nextSlowdown;
    const rung = byId.get(controller.route);
    if (!rung) throw new Error(`The controller chose ${controller.route}, which is not on the ladder.`);
    const spike = random() < trace.spikes ? trace.spikeFactor : 1;
    const latencyMs = rung.costMs * slowdown * spike * Math.exp(logSd * normal(random));
    frames.push({ second, route: rung.id, latencyMs, budgetMs: budget, slowdown, grace: grace > 0 });
    grace = Math.max(0, grace - 1);
    const decision = controller.dispatch({ type: 'sample', now: now + latencyMs, route: rung.id, latencyMs });
    if (decision) decisions.push(decision);
    tick = Math.max(tick + 1, Math.ceil((now + latencyMs) / FRAME_MS));
  }
  return { frames, decisions, ...measure(frames, decisions, rungs, trace, logSd) };
}

function measure(
  frames: readonly SimulatedFrame[],
  decisions: readonly Decision[],
  rungs: readonly Rung[],
  trace: Trace,
  logSd: number,
): Omit<SimulationResult, 'frames' | 'decisions'> {
  const tail = Math.exp(TUNING.z * logSd);
  const accuracy = new Map(rungs.map((rung) => [rung.id, rung.accuracy]));
  const lowest = rungs.reduce((least, rung) => (rung.costMs < least.costMs ? rung : least));
  let judged = 0;
  let missed = 0;
  let hopeless = 0;
  let regret = 0;
  for (const frame of frames) {
    const fits = (rung: Rung) => rung.costMs * frame.slowdown * tail <= frame.budgetMs;
    const oracle = rungs.reduce((best, rung) => (fits(rung) && rung.accuracy > best ? rung.accuracy : best), lowest.accuracy);
    regret += oracle - (accuracy.get(frame.route) ?? 0);
    if (frame.grace) continue;
    judged++;
    if (frame.latencyMs <= frame.budgetMs) continue;
    missed++;
    if (!fits(lowest)) hopeless++;
  }
  const switches = decisions.filter((decision) => decision.from !== decision.to);
  const own = switches.filter((decision) => decision.reason !== 'budget-changed');
  const reversals = own.filter((decision, i) => {
    const before = own[i - 1];
    return before?.to === decision.from && before.from === decision.to && decision.now - before.now <= REVERSAL_MS;
  });
  const minutes = trace.seconds / 60;
  return {
    violations: missed / Math.max(1, judged),
    hopeless: hopeless / Math.max(1, judged),
    switchesPerMinute: switches.length / minutes,
    reversalsPerMinute: reversals.length / minutes,
    regret: (100 * regret) / Math.max(1, frames.length),
  };
}

function jumped(before: number, after: number): boolean {
  return Math.max(before / after, after / before) > GRACE_JUMP;
}

/** The traces of the plan, by their ids there. */
export const TRACES = {
  /** Nothing happens but noise. */
  t1: (budgetMs: number, cv: number, seconds = 60): Trace => still('T1', seconds, cv, () => 1, budgetMs),
  /** The device is `factor` times slower from 10 s to 25 s. */
  t2: (budgetMs: number, factor: number, cv = 0.05): Trace =>
    still('T2', 40, cv, (second) => (second >= 10 && second < 25 ? factor : 1), budgetMs),
  /** Slower by `factor` every other half period. */
  t3: (budgetMs: number, periodSeconds: number, factor = 2, cv = 0.05): Trace =>
    still('T3', 300, cv, (second) => ((second / periodSeconds) % 1 >= 0.5 ? factor : 1), budgetMs),
  /** Throttling: 1 → 1.8 over ten minutes, then back to 1.2 over ten more. */
  t4: (budgetMs: number, cv = 0.1): Trace =>
    still('T4', 1200, cv, (second) => (second < 600 ? 1 + (0.8 * second) / 600 : 1.8 - (0.6 * (second - 600)) / 600), budgetMs),
  /** Single frames that take five times as long. */
  t5: (budgetMs: number, spikes: number, cv = 0.1): Trace => ({
    ...still('T5', 300, cv, () => 1, budgetMs),
    spikes,
  }),
  /** The slider goes from 10 to 200 ms and back, evenly in ratio, once in `periodSeconds`. */
  t6Sweep: (periodSeconds: number, cv = 0.1): Trace => ({
    ...still('T6', 60, cv, () => 1, 0),
    budgetMs: (second) => 10 * 20 ** (1 - Math.abs(1 - 2 * ((second / periodSeconds) % 1))),
  }),
  /** The budget jumps anywhere in 10…200 ms every `everySeconds`. */
  t6Jumps: (everySeconds: number, seed: number, cv = 0.1): Trace => ({
    ...still('T6', 60, cv, () => 1, 0),
    budgetMs: (second) => 10 * 20 ** mulberry32(seed + Math.floor(second / everySeconds) * 7919)(),
  }),
} as const;

function still(id: string, seconds: number, cv: number, slowdown: (second: number) => number, budgetMs: number): Trace {
  return { id, seconds, cv, slowdown, budgetMs: () => budgetMs, spikes: 0, spikeFactor: 5 };
}

/** Uniform 0…1 from a 32-bit seed. */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
