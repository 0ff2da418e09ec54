/** The worst slowdown of the last seconds, but for the worst few: what a climb has to fit once the device was seen to alternate. */
import type { ControlState, Draft } from './state';
import { TUNING } from './tuning';

/** Notes the present slowdown under its second. */
export function rememberWorst(state: Draft): void {
  const second = Math.floor(state.now / 1000);
  const level = state.estimate.level.value;
  const passed = state.worst.length === 0 ? 1 : Math.min(second - state.worstSecond, TUNING.worstSeconds);
  if (passed === 0) {
    if (level > (state.worst[0] ?? -Infinity)) state.worst = [level, ...state.worst.slice(1)];
    return;
  }
  // Seconds without a sample were no better than the last one known.
  const silent = new Array<number>(Math.max(0, passed - 1)).fill(state.worst[0] ?? level);
  state.worst = [level, ...silent, ...state.worst].slice(0, TUNING.worstSeconds);
  state.worstSecond = second;
}

export function worstOf(state: ControlState): number {
  const worst = [...state.worst].sort((a, b) => b - a)[Math.min(TUNING.worstIgnored, state.worst.length - 1)];
  return Math.max(worst ?? -Infinity, state.estimate.level.value);
}
