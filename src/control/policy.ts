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
import { allowed, bestFit, currentIndex, decisionOf, indexOf, rungAt } from './state';
import type { ControlState } from './state';
import { TUNING } from './tuning';

export interface Step {
  readonly state: ControlState;
  readonly decision?: Decision;
}

/** Events with an impossible value change nothing; one from the past is taken as of now, but a sample from the past is dropped. */
export function decide(before: ControlState, event: ControlEvent): Step {
  const inOrder = Number.isFinite(event.now) && event.now >= before.now;
  const state = inOrder ? { ...before, now: event.now } : before;
  switch (event.type) {
    case 'sample':
      return inOrder ? onSample(state, event.route, event.latencyMs) : { state };
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

function onSample(before: ControlState, route: string, latencyMs: number): Step {
  const index = indexOf(before, route);
  if (index < 0 || !(latencyMs > 0) || !Number.isFinite(latencyMs) || !before.signals.visible) return { state: before };
  const isCurrent = route === before.current;
  const gap = before.lastSampleAt !== null && before.now - before.lastSampleAt > TUNING.gapMs + 4 * latencyMs;
  const wakes = gap && !before.sparse;
  const state: ControlState = {
    ...before,
    lastSampleAt: before.now,
    sparse: gap,
    frames: before.frames + (isCurrent ? 1 : 0),
    ...(wakes ? { estimate: doubt(before.estimate), ignore: TUNING.ignoreFrames } : {}),
  };
  if (state.ignore > 0) return { state: { ...state, ignore: state.ignore - (isCurrent ? 1 : 0) } };

  const { estimate, jump } = observe(state.estimate, rungAt(state, index), latencyMs, state.now);
  const seen = rememberWorst({ ...state, estimate });
  if (!isCurrent || seen.mode.kind === 'lock') return { state: seen };

  const here = currentIndex(seen);
  const fits = tailMs(estimate, rungAt(seen, here), seen.now) <= TUNING.stayMargin * seen.target.targetMs;
  const down = fits ? here : bestFit(seen, false);
  if (down < here) {
    const failed = climbFailed(seen);
    const panic = jump === 'up' && latencyMs > TUNING.panicRatio * seen.target.targetMs;
    const reason: DecisionReason = failed ? 'probe-failed' : panic ? 'panic' : 'over-budget';
    return move(failed ? { ...seen, retry: withFailure(seen) } : seen, down, reason, latencyMs);
  }
  const up = climb(seen);
  return up > here ? move(seen, up, 'headroom', latencyMs) : shed(seen, latencyMs);
}

function onBudget(before: ControlState, budget: Budget): Step {
  if (!isBudget(budget)) return { state: before };
  const state = { ...before, budget, target: targetFor(budget, before.signals) };
  const step = jumpTo(state, bestFit(state, true), 'budget-changed');
  const share = shareFor({ ...step.state, share: 0 });
  if (share === before.share) return step;
  const next = { ...step.state, share, shareAt: state.now };
  return { state: next, decision: decisionOf(next, before.current, 'budget-changed') };
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
  const bar = lowestBarred(state);
  let reach = here;
  while (reach < high && reach + 1 < bar && tailMs(estimate, rungAt(state, reach + 1), now) * wary <= limit) reach++;
  if (reach === here) return here;
  const roomy = tailMs(estimate, rungAt(state, here), now) * 2 <= target;
  return here + Math.min(reach - here, Math.max(roomy ? 2 : 1, Math.ceil((reach - here) / 2)));
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

function rememberWorst(state: ControlState): ControlState {
  const second = Math.floor(state.now / 1000);
  const level = state.estimate.level.value;
  const passed = state.worst.length === 0 ? 1 : Math.min(second - state.worstSecond, TUNING.worstSeconds);
  if (passed === 0) {
    if (level <= (state.worst[0] ?? -Infinity)) return state;
    return { ...state, worst: [level, ...state.worst.slice(1)] };
  }
  // Seconds without a sample were no better than the last one known.
  const silent = new Array<number>(Math.max(0, passed - 1)).fill(state.worst[0] ?? level);
  return { ...state, worst: [level, ...silent, ...state.worst].slice(0, TUNING.worstSeconds), worstSecond: second };
}

function worstOf(state: ControlState): number {
  return state.worst.reduce((most, level) => Math.max(most, level), state.estimate.level.value);
}
