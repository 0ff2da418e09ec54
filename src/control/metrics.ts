/** What a run is worth: the figures of the plan, by their definitions there. */
import type { Run } from './simulate';
import { SIMULATION } from './simulate';

const REVERSAL_MS = 2000;
/** A run of this many frames inside the budget is a recovery. */
const RECOVERY_FRAMES = 10;
/** Share of ticks with a frame held back from which on the plan counts as binding. */
const PLAN_BINDS = 0.1;
/** Switches after this are switches at rest, ms. */
const SETTLED_MS = 5000;

export interface Metrics {
  readonly frames: number;
  /** Frames over budget outside grace, % of those frames. */
  readonly violations: number;
  /** The part of it in which no rung's p95 was within the budget, and the rest. */
  readonly hopeless: number;
  readonly avoidable: number;
  /** Quantiles of latency / budget, outside grace and where some rung's p95 was within it. */
  readonly p95: number;
  readonly p99: number;
  /** Mean accuracy, points. */
  readonly accuracy: number;
  /** Mean accuracy of the oracle on the same frames minus ours, points. */
  readonly regret: number;
  readonly switches: number;
  /** Switches per minute after the first 5 s. */
  readonly restless: number;
  /** A→B→A inside 2 s without a word from outside, per minute. */
  readonly reversals: number;
  /** Seconds per minute in which the device worked for us. */
  readonly busy: number;
  /** How far busy time is from the energy plan, %, where that is steady and held frames back; else NaN. */
  readonly planError: number;
  /** Frames after the device slowed down until ten in a row fit; mean over its steps. NaN without such a step. */
  readonly recoverDown: number;
  /** Seconds after the device was fast again until ten in a row ran on a route as good as before it slowed down. */
  readonly recoverUp: number;
}

/** No frame, no event. */
export const NOTHING: Metrics = {
  frames: 0,
  violations: 0,
  hopeless: 0,
  avoidable: 0,
  p95: 0,
  p99: 0,
  accuracy: 0,
  regret: 0,
  switches: 0,
  restless: 0,
  reversals: 0,
  busy: 0,
  planError: NaN,
  recoverDown: NaN,
  recoverUp: NaN,
};

export function measure(run: Run, plan: Uint8Array, hopeless: Uint8Array): Metrics {
  const { course, count } = run;
  const { rungs, ticks } = course;
  const minutes = (ticks * SIMULATION.frameMs) / 60_000;
  const ratios = new Float64Array(count);
  let judged = 0;
  let feasible = 0;
  let missed = 0;
  let lost = 0;
  let accuracy = 0;
  let ideal = 0;
  let busy = 0;
  for (let i = 0; i < count; i++) {
    const tick = run.tick[i] ?? 0;
    const ratio = (run.latencyMs[i] ?? 0) / (course.budgetMs[tick] ?? 1);
    accuracy += rungs[run.rung[i] ?? 0]?.accuracy ?? 0;
    ideal += rungs[plan[tick] ?? 0]?.accuracy ?? 0;
    busy += run.latencyMs[i] ?? 0;
    if (run.grace[i]) continue;
    judged++;
    if (!hopeless[tick]) ratios[feasible++] = ratio;
    if (ratio <= 1) continue;
    missed++;
    if (hopeless[tick]) lost++;
  }
  const sorted = ratios.subarray(0, feasible).sort();
  const quantile = (q: number): number => sorted[Math.max(0, Math.ceil(q * feasible) - 1)] ?? 0;
  return {
    frames: count,
    violations: (100 * missed) / Math.max(1, judged),
    hopeless: (100 * lost) / Math.max(1, judged),
    avoidable: (100 * (missed - lost)) / Math.max(1, judged),
    p95: quantile(0.95),
    p99: quantile(0.99),
    accuracy: (100 * accuracy) / Math.max(1, count),
    regret: (100 * (ideal - accuracy)) / Math.max(1, count),
    ...switching(run, minutes),
    busy: busy / 1000 / minutes,
    planError: planError(run, busy),
    ...recovery(run, hopeless),
  };
}

/** NaN where the plan was not what bounded the busy time: it held hardly anything back, and was not exceeded. */
function planError({ course, withheld }: Run, busyMs: number): number {
  const { planSeconds, ticks } = course;
  if (planSeconds.some((seconds) => seconds !== planSeconds[0])) return NaN;
  const planMs = planSeconds.reduce((sum, seconds) => sum + (seconds / 60) * SIMULATION.frameMs, 0);
  const error = 100 * (busyMs / planMs - 1);
  return withheld < PLAN_BINDS * ticks && !(error > 0) ? NaN : Math.abs(error);
}

function switching(run: Run, minutes: number): Pick<Metrics, 'switches' | 'restless' | 'reversals'> {
  const own: { from: number; to: number; ms: number }[] = [];
  let switches = 0;
  let restless = 0;
  let reversals = 0;
  for (let i = 1; i < run.count; i++) {
    const from = run.rung[i - 1] ?? 0;
    const to = run.rung[i] ?? 0;
    if (from === to) continue;
    const ms = (run.tick[i] ?? 0) * SIMULATION.frameMs;
    switches++;
    if (ms > SETTLED_MS) restless++;
    if (run.told[i]) continue;
    const last = own.at(-1);
    if (last?.from === to && last.to === from && ms - last.ms <= REVERSAL_MS) reversals++;
    own.push({ from, to, ms });
  }
  const rest = Math.max(minutes - SETTLED_MS / 60_000, 1e-9);
  return { switches: switches / minutes, restless: restless / rest, reversals: reversals / minutes };
}

/** Recovery from the steps of the device alone: up is judged only after a step down that made it move. */
function recovery(run: Run, hopeless: Uint8Array): Pick<Metrics, 'recoverDown' | 'recoverUp'> {
  const { course } = run;
  const downs: number[] = [];
  const ups: number[] = [];
  let before: number | undefined;
  for (let tick = 1; tick < course.ticks; tick++) {
    const ratio = (course.slowdown[tick] ?? 1) / (course.slowdown[tick - 1] ?? 1);
    if (Math.max(ratio, 1 / ratio) <= SIMULATION.graceJump) continue;
    const first = firstFrame(run, tick);
    const end = firstFrame(run, nextStep(run, tick));
    if (ratio > 1) {
      before = run.rung[first - 1] ?? run.rung[first];
      if (hopeless[tick]) continue;
      const fits = (i: number): boolean => (run.latencyMs[i] ?? 0) <= (course.budgetMs[run.tick[i] ?? 0] ?? 0);
      downs.push(firstRun(first, end, fits) - first);
    } else if (before !== undefined) {
      const wanted = before;
      const at = firstRun(first, end, (i) => (run.rung[i] ?? 0) >= wanted);
      ups.push((((run.tick[Math.min(at, run.count - 1)] ?? 0) - tick) * SIMULATION.frameMs) / 1000);
    }
  }
  return { recoverDown: mean(downs), recoverUp: mean(ups) };
}

function firstFrame(run: Run, tick: number): number {
  let low = 0;
  let high = run.count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((run.tick[middle] ?? 0) < tick) low = middle + 1;
    else high = middle;
  }
  return low;
}

function nextStep({ course }: Run, after: number): number {
  for (let tick = after + 1; tick < course.ticks; tick++) if ((course.steps[tick] ?? 0) & 1) return tick;
  return course.ticks;
}

/** Where the first run of ten good frames begins; `end` when there is none. */
function firstRun(first: number, end: number, good: (index: number) => boolean): number {
  let length = 0;
  for (let i = first; i < end; i++) {
    length = good(i) ? length + 1 : 0;
    if (length === RECOVERY_FRAMES) return i - RECOVERY_FRAMES + 1;
  }
  return end;
}

/** Mean of the numbers that are numbers; NaN when none is. */
export function mean(values: readonly number[]): number {
  const known = values.filter((value) => !Number.isNaN(value));
  return known.length === 0 ? NaN : known.reduce((sum, value) => sum + value, 0) / known.length;
}

/** Field by field. */
export function meanMetrics(runs: readonly Metrics[]): Metrics {
  const fields = Object.keys(runs[0] ?? {}) as (keyof Metrics)[];
  return Object.fromEntries(fields.map((field) => [field, mean(runs.map((run) => run[field]))])) as unknown as Metrics;
}

export function jointScore({ accuracy, violations, switches }: Metrics, lambda: number, mu: number): number {
  return accuracy - lambda * violations - mu * switches;
}
