/** Budgets that move by themselves: the slider follows a script instead of a hand. Pure. */

/** A budget from a moment on; `atMs` counts from the script's start. */
export interface BudgetStep {
  readonly atMs: number;
  readonly latencyMs: number;
}

/** Steps in order of time; after `durationMs` it begins again. */
export interface BudgetScript {
  readonly steps: readonly BudgetStep[];
  readonly durationMs: number;
}

export type ScriptShape = 'sweep' | 'steps' | 'jumps' | 'trace';

/** Milliseconds between which a script moves, 0 < low < high; `step` is the slider's. */
export interface ScriptRange {
  readonly low: number;
  readonly high: number;
  readonly step: number;
}

const SWEEP_MS = 24_000;
/** Four positions a second look like a hand on the slider, and leave the network frames to answer in between. */
const SWEEP_TICK_MS = 250;
const STEP_MS = 6_000;
const JUMPS = 16;
const JUMP_MS = 2_500;
/** A recorded script that is shorter than this would be a flicker. */
const LEAST_MS = 1_000;

/** The named shape over this range. `sweep` goes down and up again, each second by the same factor. */
export function makeScript(shape: Exclude<ScriptShape, 'trace'>, { low, high, step }: ScriptRange): BudgetScript {
  const between = (share: number) => onStep(low * (high / low) ** share, step);
  if (shape === 'steps') {
    return { steps: [0, 1].map((i) => ({ atMs: i * STEP_MS, latencyMs: between(1 - i) })), durationMs: 2 * STEP_MS };
  }
  if (shape === 'jumps') {
    // The golden ratio's multiples are spread evenly and look like chance, the same each time.
    const steps = Array.from({ length: JUMPS }, (_, i) => ({
      atMs: i * JUMP_MS,
      latencyMs: between((0.5 + i * 0.618034) % 1),
    }));
    return { steps, durationMs: JUMPS * JUMP_MS };
  }
  const count = SWEEP_MS / SWEEP_TICK_MS;
  const steps = Array.from({ length: count }, (_, i) => ({
    atMs: i * SWEEP_TICK_MS,
    latencyMs: between(Math.abs(1 - (2 * i) / count)),
  }));
  return { steps, durationMs: SWEEP_MS };
}

/** The budgets that somebody set while a trace was recorded; undefined where they never moved. */
export function scriptOfTrace(steps: readonly BudgetStep[], durationMs: number): BudgetScript | undefined {
  if (steps.length < 2) return undefined;
  return { steps, durationMs: Math.max(durationMs, (steps.at(-1)?.atMs ?? 0) + LEAST_MS) };
}

/** The budget at this moment, from its start on; a script runs round and round. */
export function budgetAt(script: BudgetScript, elapsedMs: number): number | undefined {
  const within = elapsedMs % script.durationMs;
  return (script.steps.findLast((one) => one.atMs <= within) ?? script.steps.at(-1))?.latencyMs;
}

function onStep(value: number, step: number): number {
  return Number((Math.max(1, Math.round(value / step)) * step).toPrecision(6));
}
