/** The controller's state: plain JSON data, so that a recorded event stream replays to the same decisions. */
import { exp } from '../core/exact';
import { StitchError } from '../core/errors';
import type { Budget } from '../core/types';
import type { ControlMode, Decision, DecisionReason, Rung, Signals } from './types';
import type { Target } from './budget';
import { UNKNOWN_SIGNALS, assertBudget, soundSignals, targetFor } from './budget';
import type { Estimate } from './estimator';
import { emptyBucket } from './energy';
import type { Bucket } from './energy';
import { freshEstimate, medianMs, spreadOf, tailMs } from './estimator';
import { NO_GUARD } from './guard';
import type { Guard } from './guard';
import { sortRungs } from './ladder';
import { COOL } from './thermal';
import type { ThermalState } from './thermal';
import { TUNING } from './tuning';

/** Times are ms of the events' clock. */
export interface ControlState {
  /** Latest time seen. */
  readonly now: number;
  /** Cheapest first, never empty. */
  readonly rungs: readonly Rung[];
  /** Id of the present rung, always one of `rungs`. */
  readonly current: string;
  readonly budget: Budget;
  readonly signals: Signals;
  readonly mode: ControlMode;
  readonly target: Target;
  /** Share of frames that overload leaves: below 1 only when even the lowest allowed rung misses. */
  readonly share: number;
  readonly shareAt: number;
  readonly estimate: Estimate;
  /** Cost of the rung in use when pressure began, ms; null without pressure. */
  readonly calmCostMs: number | null;
  readonly lastSampleAt: number | null;
  /** The last believed sample came after a gap: sparse use, in which gaps say nothing. */
  readonly sparse: boolean;
  readonly switchedAt: number;
  /** Frames seen on the present rung. */
  readonly frames: number;
  /** Frames still to be ignored. */
  readonly ignore: number;
  /** The last switch that the controller made by itself. */
  readonly lastSwitch: { readonly from: string; readonly to: string; readonly at: number } | null;
  /** The last switch that a budget caused, and whether a better route waits until the slider has been still for a while. */
  readonly followed: { readonly at: number; readonly down: boolean } | null;
  readonly waiting: boolean;
  /** When a sensor last gave some of the target back and was followed at once. */
  readonly relievedAt: number | null;
  /** The last move of the budget, and whether it went on with one in the same direction just before. */
  readonly moved: { readonly at: number; readonly down: boolean; readonly dragging: boolean } | null;
  /** Times of recent reversals. */
  readonly reversals: readonly number[];
  /** Rungs that failed after a climb: not before `until` again. */
  readonly retry: Readonly<Record<string, { readonly until: number; readonly waitMs: number }>>;
  /** Highest log slowdown of each recent second, newest first, and which second that is. */
  readonly worst: readonly number[];
  readonly worstSecond: number;
  readonly guard: Guard;
  readonly bucket: Bucket;
  readonly thermal: ThermalState;
}

/** A state under construction, before anybody has seen it. */
export type Draft = { -readonly [Field in keyof ControlState]: ControlState[Field] };

export interface StartOptions {
  readonly rungs: readonly Rung[];
  readonly budget: Budget;
  readonly now: number;
  readonly signals?: Signals;
  readonly mode?: ControlMode;
}

/** The first state and the decision for its first route. Throws `argument-invalid` on an empty ladder or a bad budget. */
export function start(options: StartOptions): { state: ControlState; decision: Decision } {
  const { budget, now, mode = { kind: 'auto' } } = options;
  const signals = soundSignals(options.signals ?? UNKNOWN_SIGNALS);
  assertBudget(budget);
  const rungs = sortRungs(options.rungs);
  const lowest = rungs[0];
  if (!lowest) {
    throw new StitchError(
      'argument-invalid',
      'The ladder has no usable rung: give at least one with a positive, finite costMs.',
      {
        argument: 'rungs',
        rungs: options.rungs.length,
      },
    );
  }
  const empty: ControlState = {
    now,
    rungs,
    current: lowest.id,
    budget,
    signals,
    mode,
    target: targetFor(budget, signals),
    share: 1,
    shareAt: now,
    estimate: freshEstimate(),
    calmCostMs: null,
    lastSampleAt: null,
    sparse: false,
    switchedAt: now,
    frames: 0,
    ignore: TUNING.ignoreFrames,
    lastSwitch: null,
    followed: null,
    waiting: false,
    relievedAt: null,
    moved: null,
    reversals: [],
    retry: {},
    worst: [],
    worstSecond: 0,
    guard: NO_GUARD,
    bucket: emptyBucket(now),
    thermal: COOL,
  };
  const placed = { ...empty, current: rungAt(empty, bestFit(empty, true)).id };
  const state = {
    ...placed,
    calmCostMs: placed.target.ceiling === 'none' ? null : rungAt(placed, currentIndex(placed)).costMs,
  };
  const settled = { ...state, current: rungAt(state, bestFit(state, false)).id };
  return { state: settled, decision: decisionOf(settled, settled.current, 'start') };
}

/** Field by field: a spread of so many fields takes many times as long. */
export function copyOf(state: ControlState): Draft {
  return {
    now: state.now,
    rungs: state.rungs,
    current: state.current,
    budget: state.budget,
    signals: state.signals,
    mode: state.mode,
    target: state.target,
    share: state.share,
    shareAt: state.shareAt,
    estimate: state.estimate,
    calmCostMs: state.calmCostMs,
    lastSampleAt: state.lastSampleAt,
    sparse: state.sparse,
    switchedAt: state.switchedAt,
    frames: state.frames,
    ignore: state.ignore,
    lastSwitch: state.lastSwitch,
    followed: state.followed,
    waiting: state.waiting,
    relievedAt: state.relievedAt,
    moved: state.moved,
    reversals: state.reversals,
    retry: state.retry,
    worst: state.worst,
    worstSecond: state.worstSecond,
    guard: state.guard,
    bucket: state.bucket,
    thermal: state.thermal,
  };
}

/** Share of frames to classify, 0…1. */
export function dutyOf({ target, share, guard }: ControlState): number {
  return target.duty * share * guard.share;
}

export function currentIndex(state: ControlState): number {
  return Math.max(0, indexOf(state, state.current));
}

export function indexOf(state: ControlState, id: string): number {
  // A loop: this is asked several times a frame.
  const { rungs } = state;
  for (let i = 0; i < rungs.length; i++) if (rungs[i]?.id === id) return i;
  return -1;
}

export function rungAt(state: ControlState, index: number): Rung {
  const rung = state.rungs[Math.min(Math.max(index, 0), state.rungs.length - 1)];
  if (!rung) throw new StitchError('internal', 'The controller lost its ladder.');
  return rung;
}

/** Lowest and highest rung that mode and pressure allow. A mode that names an absent route has no effect. */
export function allowed(state: ControlState): { low: number; high: number } {
  const named = state.mode.kind === 'auto' ? -1 : indexOf(state, state.mode.route);
  if (state.mode.kind === 'lock' && named >= 0) return { low: named, high: named };
  const low = state.mode.kind === 'floor' ? Math.max(0, named) : 0;
  let high = state.mode.kind === 'cap' && named >= 0 ? named : state.rungs.length - 1;
  if (state.target.ceiling === 'lowest') high = 0;
  const calm = state.calmCostMs;
  if (state.target.ceiling === 'one-lower' && calm !== null) {
    // Less by a hair: moved to another profile, the rung's own cost comes out rounded.
    high = Math.min(high, Math.max(0, state.rungs.filter((rung) => rung.costMs < calm * (1 - 1e-9)).length - 1));
  }
  // A floor is the user's own word, so it outranks pressure.
  return { low, high: Math.max(low, high) };
}

/** Share of the target up to which the rung in use may stay. */
export function stayMargin(state: ControlState): number {
  return exp(TUNING.staySlack * spreadOf(state.estimate));
}

/**
 * The highest allowed rung whose predicted p95 fits the target; the lowest allowed when none does. Every rung is held
 * against a fixed share of the target, so a larger target can only widen the choice.
 */
export function bestFit(state: ControlState, mayRise: boolean): number {
  const { low, high } = allowed(state);
  const here = currentIndex(state);
  let best = low;
  for (let k = low; k <= high; k++) {
    if (k > here && !mayRise) break;
    const margin = k === here ? stayMargin(state) : k < here ? TUNING.dropMargin : TUNING.jumpMargin;
    if (tailMs(state.estimate, rungAt(state, k), state.now) <= margin * state.target.targetMs) best = k;
  }
  return best;
}

export function decisionOf(state: ControlState, from: string, reason: DecisionReason, observedMs?: number): Decision {
  const spoken = reason === 'battery' || reason === 'pressure' || reason === 'save-data' || reason === 'visibility';
  return {
    now: state.now,
    from,
    to: state.current,
    reason,
    targetMs: state.target.targetMs,
    budgetMs: state.budget.latencyMs,
    predictedMs: medianMs(state.estimate, rungAt(state, currentIndex(state)), state.now),
    slowdown: exp(state.estimate.level.value),
    duty: dutyOf(state),
    ...(observedMs === undefined ? {} : { observedMs }),
    ...(spoken ? { signals: state.signals } : {}),
  };
}
