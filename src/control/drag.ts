/** Moves of the budget that follow one another: a slider under a hand, or a schedule. They shall take a few switches, not one a rung. */
import { allowed, bestFit, currentIndex, rungAt } from './state';
import type { ControlState } from './state';
import { TUNING } from './tuning';

/** Where the budget leads for now; `best` is where it would alone. */
export function dragged(state: ControlState, best: number): number {
  const here = currentIndex(state);
  const accuracyOf = (index: number): number => rungAt(state, index).accuracy;
  if (best > here) {
    // Frames may have become fast enough for more, but a smaller budget is no reason to take it.
    if (state.moved?.down) return here;
    const gain = accuracyOf(best) - accuracyOf(here);
    // It goes on growing, and a switch for little would be followed by the next.
    const more = state.moved?.dragging && best < allowed(state).high && gain < TUNING.dragStep;
    return more || settling(state, followWait(gain)) ? here : best;
  }
  const goesOn = (state.moved?.dragging && state.moved.down) || (state.followed?.down && settling(state, TUNING.dragMs));
  const to = bestFit(state, false);
  return to === here || !goesOn ? to : lowerStill(state, to);
}

/** Where to go instead of `to` while the budget goes on falling. */
export function lowerStill(state: ControlState, to: number): number {
  const { low } = allowed(state);
  const { accuracy } = rungAt(state, to);
  let lower = to;
  while (lower > low && accuracy - rungAt(state, lower - 1).accuracy <= TUNING.dragStep) lower--;
  return lower;
}

/** How long after a switch that a budget caused the next climb waits, ms: the longer, the less accuracy (share) it gains. */
export function followWait(gain: number): number {
  return Math.min(Math.max(TUNING.followPriceMs / gain, TUNING.followLeastMs), TUNING.followMostMs);
}

/** True for `ms` after a switch that a budget caused. */
export function settling({ followed, now }: ControlState, ms: number): boolean {
  return followed !== null && now - followed.at < ms;
}
