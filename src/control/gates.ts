/** The gates of the plan as data, and which of them an evaluation misses. */
import type { Evaluation, TraceResult } from './evaluate';
import { meanMetrics } from './metrics';
import type { Metrics } from './metrics';

export interface Gate {
  readonly name: string;
  readonly traces: readonly string[];
  readonly metric: keyof Metrics;
  readonly most: number;
  /** Only this variant of the trace; else the mean over its variants. */
  readonly variant?: string;
}

const gate = (metric: keyof Metrics, most: number, traces: readonly string[], name: string, variant?: string): Gate => ({
  name,
  traces,
  metric,
  most,
  ...(variant === undefined ? {} : { variant }),
});

const ALL = ['T1', 'T2', 'T3', 'T4', 'T5', 'T6', 'T7', 'T9', 'T10', 'T11', 'T12'];

export const GATES: readonly Gate[] = [
  gate('violations', 5, ['T1', 'T4', 'T6'], 'violations, %'),
  // A recorded device may be too slow for every route at times; nobody can help that.
  gate('avoidable', 5, ['T12'], 'violations where a route would have fitted, %'),
  gate('violations', 10, ['T3', 'T7'], 'violations, %'),
  gate('regret', 0.5, ['T1'], 'accuracy regret, points'),
  gate('regret', 1, ['T12'], 'accuracy regret, points'),
  gate('regret', 1.5, ['T3'], 'accuracy regret, points'),
  gate('restless', 0, ['T1'], 'switches at rest after 5 s, a minute', 'cv 0.15'),
  gate('recoverDown', 4, ['T2'], 'recovery down, frames'),
  gate('recoverUp', 5, ['T2'], 'recovery up, s'),
  gate('reversals', 1, ALL, 'reversals, a minute'),
  gate('p95', 1, ['T1'], 'p95 / budget'),
  // Not T5: where one frame in twenty takes five times as long, that is its p95 on every route.
  gate(
    'p95',
    1.1,
    ALL.filter((trace) => trace !== 'T1' && trace !== 'T5'),
    'p95 / budget',
  ),
  gate('planError', 5, ['T11'], 'busy time off the energy plan, %'),
];

/** Weights of the joint score that are gated. */
export const LAMBDAS = [0.2, 0.5, 1] as const;
export const MUS = [0.02, 0.1] as const;
/**
 * Where even the oracle, which knows the whole trace, leads the best rival by less than this, there is next to nothing to win: a flat
 * ladder whose dearest route nearly always fits. There the controller need only stay within `SCORE_TIE` of that rival.
 */
export const SCORE_ROOM = 0.05;
export const SCORE_TIE = 0.1;
/** Mean time of one decision, ms. */
export const MOST_MS_PER_DECISION = 0.05;

export interface Verdict {
  readonly gate: string;
  readonly trace: string;
  readonly value: number;
  readonly most: number;
  readonly passed: boolean;
}

/** Every gate of one ladder and budget; a figure that does not exist (nothing to recover from) passes. */
export function judge(evaluation: Evaluation): Verdict[] {
  const verdicts = GATES.flatMap(({ name, traces, metric, most, variant }) =>
    traces.map((trace): Verdict => {
      const value = meanMetrics(variantsOf(evaluation.ours, trace, variant).map(({ metrics }) => metrics))[metric];
      return { gate: name, trace, value, most, passed: !(value > most) };
    }),
  );
  // Ahead: the best rival's score minus ours is below 0.
  const scores = evaluation.scores.map(({ lambda, mu, ours, oracle, rivals }): Verdict => {
    const [name, best] = Object.entries(rivals).reduce((most, one) => (one[1] > most[1] ? one : most));
    const most = oracle - best < SCORE_ROOM ? SCORE_TIE : 0;
    return {
      gate: `joint score behind ${name}`,
      trace: `λ ${lambda} μ ${mu}`,
      value: best - ours,
      most,
      passed: best - ours < most,
    };
  });
  return [...verdicts, ...scores];
}

export function variantsOf(results: readonly TraceResult[], id: string, variant?: string): TraceResult[] {
  return results.filter(({ trace }) => trace.id === id && (variant === undefined || trace.variant === variant));
}
