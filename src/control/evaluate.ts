/** One ladder at one budget over all traces and seeds: the controller, the oracle and the baselines. */
import { BASELINES, fixed } from './baselines';
import { createController } from './controller';
import { LAMBDAS, MUS } from './gates';
import { NOTHING, jointScore, mean, meanMetrics, measure } from './metrics';
import type { Metrics } from './metrics';
import { hopelessTicks, oraclePilot, planOf } from './oracle';
import { briefing, fly, layOut, noiseFor, quietMs } from './simulate';
import type { Course, Pilot } from './simulate';
import type { StartOptions } from './state';
import type { Trace } from './traces';
import type { Rung } from './types';

export interface TraceResult {
  readonly trace: Trace;
  /** Mean over seeds. */
  readonly metrics: Metrics;
}

export interface Evaluation {
  readonly ours: readonly TraceResult[];
  readonly oracle: readonly TraceResult[];
  readonly baselines: Readonly<Record<string, readonly TraceResult[]>>;
  /** Joint scores, mean over trace ids of the mean over variants. */
  readonly scores: readonly {
    readonly lambda: number;
    readonly mu: number;
    readonly ours: number;
    readonly oracle: number;
    readonly rivals: Readonly<Record<string, number>>;
  }[];
}

/** Oracle and baselines are flown on this many of the seeds: they decide the same every time, so they vary less than we do. */
const RIVAL_SEEDS = 3;

const SCREENING_STRIDE = 3;

interface Leg {
  readonly course: Course;
  readonly plan: Uint8Array;
  readonly hopeless: Uint8Array;
  readonly noises: readonly Float64Array[];
}

export function evaluate(rungs: readonly Rung[], traces: readonly Trace[], seeds: number, rivals = true): Evaluation {
  const legs = traces.map((trace): Leg => {
    const course = layOut(trace, rungs);
    const noises = Array.from({ length: seeds }, (_, seed) => noiseFor(trace, course.ticks, seed));
    return { course, plan: planOf(course), hopeless: hopelessTicks(course), noises };
  });
  const over = (make: (options: StartOptions, leg: Leg) => Pilot, most = RIVAL_SEEDS): TraceResult[] =>
    legs.map((leg) => {
      const { course, plan, hopeless, noises } = leg;
      const runs = noises.slice(0, most).map((noise) => fly(course, noise, make(briefing(course), leg)));
      return { trace: course.trace, metrics: meanMetrics(runs.map((run) => measure(run, plan, hopeless))) };
    });
  const ours = over(createController, seeds);
  const oracle = over((_, { course, plan }) => oraclePilot(course, plan));
  const weights = LAMBDAS.flatMap((lambda) => MUS.map((mu) => ({ lambda, mu })));
  const baselines: Record<string, TraceResult[]> = {};
  if (rivals) {
    for (const [name, make] of Object.entries(BASELINES)) baselines[name] = over(make);
    const screened = rungs.map((rung) => ({ rung, results: legs.map((leg) => expectedOf(leg, rung)) }));
    for (const { lambda, mu } of weights) {
      const best = screened.reduce((a, b) => (overall(b.results, lambda, mu) > overall(a.results, lambda, mu) ? b : a));
      baselines[`static ${best.rung.id}`] ??= over(fixed(best.rung.costMs));
    }
  }
  const scores = weights.map(({ lambda, mu }) => ({
    lambda,
    mu,
    ours: overall(ours, lambda, mu),
    oracle: overall(oracle, lambda, mu),
    rivals: Object.fromEntries(Object.entries(baselines).map(([name, results]) => [name, overall(results, lambda, mu)])),
  }));
  return { ours, oracle, baselines, scores };
}

/** What one rung for ever is worth, from the first seed's noise on every frame's time: enough to find the best one to fly. */
function expectedOf({ course, noises }: Leg, rung: Rung): TraceResult {
  const { ticks, alive, present, budgetMs } = course;
  const index = course.rungs.findIndex(({ id }) => id === rung.id);
  let frames = 0;
  let missed = 0;
  let accuracy = 0;
  for (let tick = 0; tick < ticks; tick += SCREENING_STRIDE) {
    if (!alive[tick]) continue;
    let used = index;
    while (used > 0 && !present[tick]?.[used]) used--;
    frames++;
    accuracy += course.rungs[used]?.accuracy ?? 0;
    if (quietMs(course, used, tick) * (noises[0]?.[tick] ?? 1) > (budgetMs[tick] ?? 0)) missed++;
  }
  const share = 100 / Math.max(1, frames);
  return { trace: course.trace, metrics: { ...NOTHING, accuracy: share * accuracy, violations: share * missed } };
}

/** Every trace id counts once, however many variants it has. */
export function overall(results: readonly TraceResult[], lambda: number, mu: number): number {
  const ids = [...new Set(results.map(({ trace }) => trace.id))];
  return mean(
    ids.map((id) => mean(results.filter(({ trace }) => trace.id === id).map((one) => jointScore(one.metrics, lambda, mu)))),
  );
}
