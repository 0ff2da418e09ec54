/** Patience with a runtime that is busy: with the last frame, or with measuring the device behind the scenes. */
import { StitchError } from '../index';

/** A frame takes no longer; somebody who waits for a measurement to end says so. */
const PATIENCE_MS = 3000;
const PAUSE_MS = 50;

/**
 * Tries again while the runtime is busy, as long as it is wanted; undefined where it no longer is. Errors: those of `act`, and busy
 * when that does not end.
 */
export async function whenFree<T>(
  act: () => Promise<T>,
  isWanted: () => boolean,
  patienceMs = PATIENCE_MS,
): Promise<T | undefined> {
  const began = performance.now();
  while (isWanted()) {
    try {
      return await act();
    } catch (error) {
      const busy = error instanceof StitchError && error.code === 'busy';
      if (!busy || performance.now() - began > patienceMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
  return undefined;
}

/** The runtime may be measuring the device, which takes seconds on a slow executor. */
const TASK_PATIENCE_MS = 60_000;

/** For a task that somebody follows and may cancel. Errors: aborted, and as `whenFree`. */
export async function untilFree<T>(act: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const done = await whenFree(act, () => !signal.aborted, TASK_PATIENCE_MS);
  if (done === undefined) throw new StitchError('aborted', 'It was cancelled.');
  return done;
}
