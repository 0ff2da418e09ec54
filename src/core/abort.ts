/** Promises that somebody may give up. */
import { StitchError } from './errors';

export const loadCancelled = (cause?: unknown): StitchError => new StitchError('aborted', 'Loading was cancelled.', {}, cause);

/**
 * `work`'s outcome, or `why()` as soon as `signal` is aborted. Nothing is left at the signal afterwards: one race a frame against a
 * promise that never settles would hold on to every frame there ever was.
 */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined, why: () => Error): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(why());
    const forget = (): void => signal.removeEventListener('abort', giveUp);
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
    work.then(resolve, reject).finally(forget);
  });
}
