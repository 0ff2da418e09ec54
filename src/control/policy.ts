/**
 * `decide`: one event in, the next state and perhaps a decision out. Pure: no clock, no randomness, no mutation.
 *
 * Down at once to the rung predicted to fit; up slowly, after a dwell, with a margin, half of the way at a time; what failed
 * is retried ever later. What the user does (budget, mode) is followed at once in both directions.
 */
import type { ControlEvent, ControlMode, Decision, DecisionReason, Rung, Signals } from './types';
import type { Budget } from '../core/types';
import { isBudget, soundSignals, targetFor } from './budget';
import type { Target } from './budget';
import { doubt, freshEstimate, medianMs, observe, shiftLevel, spreadOf, tailMs } from './estimator';
import { sortRungs } from './ladder';
import { allowed, bestFit, copyOf, currentIndex, decisionOf, indexOf, rungAt, stayMargin } from './state';
import type { ControlState } from './state';
import { TUNING } from './tuning';
import { rememberWorst, worstOf } from './worst';

export interface Step {
  readonly state: ControlState;
  readonly decision?: Decision;
}

/** Events with an impossible value change nothing; one from the past is taken as of now, but a sample from the past is dropped. */
export function decide(before: ControlState, event: ControlEvent): Step {
  const inOrder = Number.isFinite(event.now) && event.now >= before.now;
  if (event.type === 'sample') return inOrder ? onSample(before, event.now, event.route, event.latencyMs) : { state: before };
  const state = inOrder ? { ...before, now: event.now } : before;
  switch (event.type) {
    case 'budget':
      return onBudget(state, event.budget);
    case 'signals':
      return onSignals(state, event.signals);
    case 'mode':
      return onMode(state, event.mode);
    case 'ladder':
      return onLadder(state, event.rungs);
    case 'reset': {
      const estimate = event.why === 'device-lost' ? freshEstimate() : doubt(state.estimate);
      return { state: { ...state, estimate, ignore: TUNING.ignoreFrames, lastSampleAt: null } };
    }
  }
}

function onSample(before: ControlState, now: number, route: string, latencyMs: number): Step {
  // A sample comes with every frame: one copy of the state, whose shape never varies, is edited and returned.
  const state = copyOf(before);
  state.now = now;
  const index = indexOf(before, route);
  if (index < 0 || !(latencyMs > 0) || !Number.isFinite(latencyMs) || !before.signals.visible) return { state };
  const isCurrent = route === before.current;
  const gap = before.lastSampleAt !== null && now - before.lastSampleAt > TUNING.gapMs + 4 * latencyMs;
  if (gap && !before.sparse) {
    state.estimate = doubt(before.estimate);
    state.ignore = TUNING.ignoreFrames;
  }
  state.lastSampleAt = now;
  state.sparse = gap;
  if (isCurrent) state.frames++;
  if (state.ignore > 0) {
    if (isCurrent) state.ignore--;
    return { state };
  }

  const { estimate, jump } = observe(state.estimate, rungAt(state, index), latencyMs, state.now);
  state.estimate = estimate;
  rememberWorst(state);
  const seen: ControlState = state;
  if (!isCurrent || seen.mode.kind === 'lock') return { state: seen };

  const here = currentIndex(seen);
  const fits = tailMs(estimate, rungAt(seen, here), seen.now) <= stayMargin(seen) * seen.target.targetMs;
  const down = fits ? here : bestFit(seen, false);
  if (down < here) {
    const failed = climbFailed(seen);
    const panic = jump === 'up' && latencyMs > TUNING.panicRatio * seen.target.targetMs;
    const reason: DecisionReason = failed ? 'probe-failed' : panic ? 'panic' : 'over-budget';
    return move(failed ? { ...seen, retry: withFailure(seen) } : seen, down, reason, latencyMs);
  }
  if (seen.waiting && !settling(seen, TUNING.followMs)) {
    const step = follow({ ...seen, waiting: false }, bestFit(seen, true));
    if (step.decision) return step;
  }
  const up = climb(seen);
  return up > here ? move(seen, up, 'headroom', latencyMs) : shed(seen, latencyMs);
}

/**
 * A single move of the budget is followed at once, both ways. Of a drag, which is many moves, the first is; after it a climb
 * waits until `followMs` have passed or it gains enough, and a drop gives up a little more than it must, so that a sweep takes a
 * few switches, not one a rung.
 */
function onBudget(before: ControlState, budget: Budget): Step {
  if (!isBudget(budget)) return { state: before };
  const moved = { ...before, budget, target: targetFor(budget, before.signals) };
  const best = bestFit(moved, true);
  const to = dragged(moved, best);
  const state = { ...moved, waiting: best > to };
  const step = follow(state, to);
  const share = shareFor({ ...step.state, share: 0 });
  if (share === before.share) return step;
  const next = { ...step.state, share, shareAt: state.now };
  return { state: next, decision: decisionOf(next, before.current, 'budget-changed') };
}

/** Where the budget leads for now; `best` is where it would alone. */
function dragged(state: ControlState, best: number): number {
  const here = currentIndex(state);
  const accuracyOf = (index: number): number => rungAt(state, index).accuracy;
  if (best > here) {
    const rests = !settling(state, TUNING.followMs);
    return rests || accuracyOf(best) - accuracyOf(here) >= TUNING.dragStep ? best : here;
  }
  const to = bestFit(state, false);
  if (to === here || !state.followed?.down || !settling(state, TUNING.dragMs)) return to;
  const { low } = allowed(state);
  let lower = to;
  while (lower > low && accuracyOf(to) - accuracyOf(lower - 1) <= TUNING.dragStep) lower--;
  return lower;
}

/** True for `ms` after a switch that a budget caused. */
function settling({ followed, now }: ControlState, ms: number): boolean {
  return followed !== null && now - followed.at < ms;
}

function follow(state: ControlState, to: number): Step {
  const here = currentIndex(state);
  return to === here ? { state } : jumpTo({ ...state, followed: { at: state.now, down: to < here } }, to, 'budget-changed');
}

function onSignals(before: ControlState, given: Signals): Step {
  const signals = soundSignals(given);
  const target = targetFor(before.budget, signals);
  const noticed = signals.visible !== before.signals.visible;
  const calm = before.calmCostMs ?? rungAt(before, currentIndex(before)).costMs;
  const state: ControlState = {
    ...before,
    signals,
    target,
    calmCostMs: target.ceiling === 'none' ? null : calm,
    ...(noticed ? { estimate: doubt(before.estimate), ignore: TUNING.ignoreFrames, lastSampleAt: null } : {}),
  };
  const reason = changeOf(before.target, target);
  // Relief from pressure is no proof of room: the climb has to earn it. More battery is permission, so it is used at once.
  const step = jumpTo(state, bestFit(state, target.targetMs > before.target.targetMs), reason ?? 'over-budget');
  if (step.decision || !reason) return step;
  return { state, decision: decisionOf(state, state.current, reason) };
}

/** Which sensor moved the target; nothing when it did not move. */
function changeOf(before: Target, after: Target): DecisionReason | undefined {
  if (before.targetMs !== after.targetMs) return before.battery !== after.battery ? 'battery' : 'save-data';
  if (before.ceiling !== after.ceiling) return 'pressure';
  return before.duty === after.duty ? undefined : 'visibility';
}

function onMode(before: ControlState, mode: ControlMode): Step {
  const state = { ...before, mode, share: 1 };
  return jumpTo(state, bestFit(state, true), 'mode');
}

function onLadder(before: ControlState, given: readonly Rung[]): Step {
  const rungs = sortRungs(given);
  if (rungs.length === 0) return { state: before };
  const old = rungAt(before, currentIndex(before));
  const same = rungs.find((rung) => rung.id === old.id);
  const nearest = same ?? rungs.reduce((best, rung) => (distance(rung, old) < distance(best, old) ? rung : best));
  // The slowdown refers to the profile: where that was measured anew, what is expected of this rung stays as it was.
  const estimate = same ? shiftLevel(before.estimate, Math.log(old.costMs / same.costMs)) : before.estimate;
  const state = { ...before, rungs, current: nearest.id, estimate };
  const to = bestFit(state, false);
  if (same) return jumpTo(state, to, 'ladder');
  const next = enter(state, to);
  return { state: next, decision: decisionOf(next, old.id, 'ladder') };
}

function distance(a: Rung, b: Rung): number {
  return Math.abs(Math.log(a.costMs / b.costMs));
}

/** A switch for a cause outside: no probe, no reversal. */
function jumpTo(state: ControlState, to: number, reason: DecisionReason): Step {
  if (to === currentIndex(state)) return { state };
  const next = enter(state, to);
  return { state: next, decision: decisionOf(next, state.current, reason) };
}

/** A switch of the controller's own. */
function move(before: ControlState, to: number, reason: DecisionReason, observedMs: number): Step {
  const last = before.lastSwitch;
  const next = enter(before, to);
  const back = last !== null && last.to === before.current && last.from === next.current;
  const reversed = back && before.now - last.at <= TUNING.reversalMs;
  const state: ControlState = {
    ...next,
    lastSwitch: { from: before.current, to: next.current, at: before.now },
    reversals: reversed ? [...before.reversals.slice(-8), before.now] : before.reversals,
  };
  return { state, decision: decisionOf(state, before.current, reason, observedMs) };
}

function enter(state: ControlState, to: number): ControlState {
  const { [state.current]: own, ...others } = state.retry;
  const proven = own !== undefined && state.now - state.switchedAt > TUNING.retryForgetMs;
  return {
    ...state,
    current: rungAt(state, to).id,
    switchedAt: state.now,
    frames: 0,
    ignore: TUNING.ignoreFrames,
    lastSwitch: null,
    share: to > allowed(state).low ? 1 : state.share,
    retry: proven ? others : state.retry,
  };
}

function climbFailed(state: ControlState): boolean {
  const last = state.lastSwitch;
  return (
    last !== null &&
    last.to === state.current &&
    indexOf(state, last.from) < currentIndex(state) &&
    state.now - last.at <= TUNING.reversalMs
  );
}

function withFailure(state: ControlState): ControlState['retry'] {
  const waited = state.retry[state.current]?.waitMs;
  const waitMs = waited === undefined ? TUNING.retryFirstMs : Math.min(2 * waited, TUNING.retryMostMs);
  return { ...state.retry, [state.current]: { until: state.now + waitMs, waitMs } };
}

/** The rung to climb to now, or the present one. */
function climb(state: ControlState): number {
  const here = currentIndex(state);
  const { high } = allowed(state);
  const { estimate, now } = state;
  if (here >= high || now - state.switchedAt < TUNING.dwellMs) return here;
  if (state.frames < TUNING.dwellFrames || estimate.level.weight < TUNING.dwellFrames) return here;

  const target = state.target.targetMs;
  const spread = spreadOf(estimate);
  // At rest the rung above has been looked at many times: only a change of the device, not of the estimate, may open it.
  const rest = estimate.level.weight >= TUNING.restWeight ? Math.exp(-TUNING.restCaution * spread) : 1;
  const limit = climbMargin(spread) * rest * target;
  const excess = worstOf(state) - estimate.level.value;
  // After a reversal the present slowdown alone is not believed: it alternates.
  const wary = state.reversals.some((at) => now - at < TUNING.waryMs) ? Math.exp(Math.max(0, excess)) : 1;
  if (tailMs(estimate, rungAt(state, here + 1), now) * wary > limit) return here;
  const bar = lowestBarred(state);
  let reach = here;
  while (reach < high && reach + 1 < bar && tailMs(estimate, rungAt(state, reach + 1), now) * wary <= limit) reach++;
  if (reach === here) return here;
  const gain = rungAt(state, reach).accuracy - rungAt(state, here).accuracy;
  if (gain < TUNING.smallGain && now - state.switchedAt < TUNING.smallGainDwellMs) return here;
  const roomy = tailMs(estimate, rungAt(state, here), now) * 2 <= target;
  return here + Math.min(reach - here, Math.max(roomy ? 2 : 1, Math.ceil((reach - here) * TUNING.climbShare)));
}

function climbMargin(spread: number): number {
  const noisy = (spread - TUNING.quietSpread) / (TUNING.noisySpread - TUNING.quietSpread);
  const bounded = Math.min(Math.max(noisy, 0), 2);
  return TUNING.climbMarginQuiet + bounded * (TUNING.climbMarginNoisy - TUNING.climbMarginQuiet);
}

/** Index of the lowest rung that must wait after a failed climb or a recent drop; what is dearer waits with it. */
function lowestBarred(state: ControlState): number {
  let bar = state.rungs.length;
  for (const [id, { until }] of Object.entries(state.retry)) {
    const index = indexOf(state, id);
    if (until > state.now && index >= 0) bar = Math.min(bar, index);
  }
  const last = state.lastSwitch;
  const left = last !== null && state.now - last.at <= TUNING.reversalMs ? indexOf(state, last.from) : -1;
  return left > currentIndex(state) ? Math.min(bar, left) : bar;
}

/** The second actuator: fewer frames when even the lowest allowed rung takes longer than the target. */
function shed(state: ControlState, observedMs: number): Step {
  const share = shareFor(state);
  if (share === state.share || state.now - state.shareAt < TUNING.dwellMs) return { state };
  const next = { ...state, share, shareAt: state.now };
  return { state: next, decision: decisionOf(next, state.current, 'duty', observedMs) };
}

function shareFor(state: ControlState): number {
  const here = currentIndex(state);
  if (here > allowed(state).low || state.mode.kind === 'lock') return 1;
  const fit = state.target.targetMs / medianMs(state.estimate, rungAt(state, here), state.now);
  const steps = Math.floor(fit / TUNING.dutyStep + 1e-9);
  const share = Math.min(1, Math.max(TUNING.dutyLeast, Math.round(steps * TUNING.dutyStep * 100) / 100));
  // Restoring needs clear room, so that the duty does not flicker between two steps.
  return share > state.share && fit < state.share + 1.5 * TUNING.dutyStep ? state.share : share;
}
