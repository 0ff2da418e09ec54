/**
 * `decide`: one event in, the next state and perhaps a decision out. Pure: no clock, no randomness, no mutation.
 *
 * Down at once to the rung predicted to fit; up slowly, after a dwell and with a margin; what failed is retried ever later. What the
 * user does (budget, mode) is followed at once in both directions.
 */
import { exp, log } from '../core/exact';
import type { ControlEvent, ControlMode, Decision, DecisionReason, PageEvent, Rung, Signals } from './types';
import type { Budget } from '../core/types';
import { spend } from './energy';
import { guardAfter } from './guard';
import { COOL, shiftThermal, thermalAfter } from './thermal';
import { isBudget, soundSignals, targetFor } from './budget';
import type { Target } from './budget';
import { climb } from './climb';
import { dragged, followWait, lowerStill, settling } from './drag';
import { doubt, freshEstimate, medianMs, observe, shiftLevel, tailMs } from './estimator';
import { sortRungs } from './ladder';
import { allowed, bestFit, copyOf, currentIndex, decisionOf, indexOf, rungAt, stayMargin } from './state';
import type { ControlState } from './state';
import { TUNING } from './tuning';
import { rememberWorst } from './worst';

export interface Step {
  readonly state: ControlState;
  readonly decision?: Decision;
}

/** Events with an impossible value change nothing; one from the past is taken as of now, but a sample from the past is dropped. */
export function decide(before: ControlState, event: ControlEvent): Step {
  const inOrder = Number.isFinite(event.now) && event.now >= before.now;
  if (event.type === 'sample') return inOrder ? onSample(before, event) : { state: before };
  if (event.type === 'page') return inOrder ? onPage(before, event) : { state: before };
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
      const thermal = event.why === 'device-lost' ? COOL : state.thermal;
      return { state: { ...state, estimate, thermal, ignore: TUNING.ignoreFrames, lastSampleAt: null } };
    }
  }
}

function onSample(before: ControlState, { now, route, latencyMs, gpuMs }: Extract<ControlEvent, { type: 'sample' }>): Step {
  // A sample comes with every frame: one copy of the state, whose shape never varies, is edited and returned.
  const state = copyOf(before);
  state.now = now;
  const index = indexOf(before, route);
  if (index < 0 || !(latencyMs > 0) || !Number.isFinite(latencyMs) || !before.signals.visible) return { state };
  state.bucket = spend(
    before.bucket,
    now,
    before.target.planSeconds,
    typeof gpuMs === 'number' && gpuMs >= 0 && gpuMs <= latencyMs ? gpuMs : latencyMs,
  );
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
  state.thermal = thermalAfter(
    state.thermal,
    now,
    estimate.level.value,
    estimate.level.weight >= TUNING.dwellFrames,
    jump === 'down',
  );
  const seen: ControlState = state;
  if (!isCurrent || seen.mode.kind === 'lock') return { state: seen };

  const here = currentIndex(seen);
  const fits = tailMs(estimate, rungAt(seen, here), seen.now) <= stayMargin(seen) * seen.target.targetMs;
  const { moved } = seen;
  const dragging = moved !== null && moved.dragging && now - moved.at < TUNING.dragEveryMs;
  const fit = fits ? here : bestFit(seen, false);
  const down = fit < here && dragging && moved.down ? lowerStill(seen, fit) : fit;
  if (down < here) {
    const failed = climbFailed(seen);
    const panic = jump === 'up' && latencyMs > TUNING.panicRatio * seen.target.targetMs;
    const reason: DecisionReason = failed ? 'probe-failed' : panic ? 'panic' : 'over-budget';
    return move(failed ? { ...seen, retry: withFailure(seen) } : seen, down, reason, latencyMs);
  }
  if (moved !== null && now - moved.at > TUNING.followForgetMs) state.waiting = false;
  if (seen.waiting && !dragging && !settling(seen, TUNING.followLeastMs)) {
    const best = bestFit(seen, true);
    const gain = rungAt(seen, best).accuracy - rungAt(seen, here).accuracy;
    if (!settling(seen, followWait(gain))) {
      const step = follow({ ...seen, waiting: false }, best);
      if (step.decision) return step;
    }
  }
  const up = climb(seen);
  return up > here ? move(seen, up, 'headroom', latencyMs) : shed(seen, latencyMs);
}

function onPage(before: ControlState, event: PageEvent): Step {
  const running = before.lastSampleAt !== null && event.now - before.lastSampleAt < TUNING.jankRunningMs;
  const guard = guardAfter(before.guard, event, running);
  const state = { ...before, now: event.now, guard };
  return guard.share === before.guard.share ? { state } : { state, decision: decisionOf(state, state.current, 'page-jank') };
}

/**
 * A single move of the budget is followed at once, both ways. Of a drag, which is many moves, a climb
 * waits until it gains something, the longer the less that is, and a drop gives up a little more than it must, so that a sweep takes a
 * few switches, not one a rung.
 */
function onBudget(before: ControlState, budget: Budget): Step {
  if (!isBudget(budget)) return { state: before };
  const down = budget.latencyMs < before.budget.latencyMs;
  const last = before.moved;
  const dragging = last !== null && last.down === down && before.now - last.at < TUNING.dragEveryMs;
  const moved = {
    ...before,
    budget,
    target: targetFor(budget, before.signals),
    moved: { at: before.now, down, dragging },
  };
  const best = bestFit(moved, true);
  const to = dragged(moved, best);
  // A smaller budget asks for nothing better than what was there, or was waited for.
  const asked = !down || best <= currentIndex(before) || before.waiting;
  const state = { ...moved, waiting: best > to && asked };
  const step = follow(state, to);
  const share = shareFor(step.state, 1);
  if (share === before.share) return step;
  const next = { ...step.state, share, shareAt: state.now };
  return { state: next, decision: decisionOf(next, before.current, 'budget-changed') };
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
  // Relief from pressure is no proof of room: the climb has to earn it. More battery is permission, so it is used at once, but not
  // again and again: a plug may be loose.
  const relief = target.targetMs > before.target.targetMs;
  const permitted = relief && (before.relievedAt === null || state.now - before.relievedAt >= TUNING.reliefMs);
  const asking = permitted ? { ...state, relievedAt: state.now } : state;
  const step = jumpTo(asking, bestFit(asking, permitted), reason ?? 'over-budget');
  if (step.decision || !reason) return step;
  return { state: asking, decision: decisionOf(asking, asking.current, reason) };
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
  // The slowdown refers to the profile: where that was measured anew, what is expected of a rung stays as it was.
  const shift = same ? log(old.costMs / same.costMs) : sharedShift(before.rungs, rungs);
  const cost = old.costMs * exp(-shift);
  const nearest = same ?? rungs.reduce((best, rung) => (distance(rung, cost) < distance(best, cost) ? rung : best));
  const { calmCostMs } = before;
  const state: ControlState = {
    ...before,
    rungs,
    current: nearest.id,
    estimate: shift === 0 ? before.estimate : shiftLevel(before.estimate, shift),
    thermal: shiftThermal(before.thermal, shift),
    worst: before.worst.map((level) => level + shift),
    calmCostMs: calmCostMs === null ? null : calmCostMs * exp(-shift),
  };
  const to = bestFit(state, false);
  if (same) return jumpTo(state, to, 'ladder');
  const next = enter(state, to);
  return { state: next, decision: decisionOf(next, old.id, 'ladder') };
}

/** By how much (log) the costs fell, by the rungs that both ladders have. */
function sharedShift(before: readonly Rung[], after: readonly Rung[]): number {
  const shifts = before.flatMap(({ id, costMs }) => {
    const again = after.find((rung) => rung.id === id);
    return again === undefined ? [] : [log(costMs / again.costMs)];
  });
  return shifts.sort((a, b) => a - b)[shifts.length >> 1] ?? 0;
}

function distance({ costMs }: Rung, to: number): number {
  return Math.abs(log(costMs / to));
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

/** The second actuator: fewer frames when even the lowest allowed rung takes longer than the target. */
function shed(state: ControlState, observedMs: number): Step {
  const share = shareFor(state);
  if (share === state.share || state.now - state.shareAt < TUNING.dwellMs) return { state };
  const next = { ...state, share, shareAt: state.now };
  return { state: next, decision: decisionOf(next, state.current, 'duty', observedMs) };
}

/** `before`: what is restored to more only where there is clear room, so that the duty does not flicker between two steps. */
function shareFor(state: ControlState, before = state.share): number {
  const here = currentIndex(state);
  if (here > allowed(state).low || state.mode.kind === 'lock') return 1;
  const fit = state.target.targetMs / medianMs(state.estimate, rungAt(state, here), state.now);
  const steps = Math.floor(fit / TUNING.dutyStep + 1e-9);
  const share = Math.min(1, Math.max(TUNING.dutyLeast, Math.round(steps * TUNING.dutyStep * 100) / 100));
  return share > before && fit < before + 1.5 * TUNING.dutyStep ? before : share;
}
