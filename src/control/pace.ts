/** When the next frame may begin, so that a share of frames is left out. Pure; used by the page and by the simulator. */
import { TUNING } from './tuning';

/** What a pace keeps between frames: when the next one is due. */
export const NO_PACE = -Infinity;

/**
 * `due` before this frame, which ran from `startedAt` to `endedAt`; frames come every `intervalMs`. At a duty of 1 the next
 * may begin at once; else on average every 1 / duty of the time that it would take then, within bounds.
 */
export function nextDue(due: number, startedAt: number, endedAt: number, intervalMs: number, duty: number): number {
  if (duty >= 1) return NO_PACE;
  const period = Math.max(endedAt - startedAt, intervalMs);
  // The controller learns from frames alone, so it must never be left without for long.
  const stretched = Math.min(period / duty, period + TUNING.restMostMs);
  // From the time that was due, not from the one that came: else each wait for the next picture would be added.
  return Math.max(due, startedAt - intervalMs) + stretched;
}
