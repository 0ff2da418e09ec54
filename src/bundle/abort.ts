/** Cancellation at every wait: what cannot be aborted itself is at least no longer waited for. */
import { unlessAborted } from '../core/abort';
import { StitchError } from '../core/errors';

/** The error a caller gets after its own signal fired; `reason` is whatever it passed to abort(). */
export function abortedError(signal: AbortSignal): StitchError {
  return new StitchError(
    'aborted',
    'Loading was aborted by its caller. Call it again to go on; finished shards are kept.',
    {},
    signal.reason,
  );
}

/** Errors: aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(signal);
}

/** `work`, or a rejection with `aborted` as soon as the signal fires; `work` itself then runs on unobserved. */
export function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return unlessAborted(work, signal, () => abortedError(signal!));
}

/** Waits `ms`. Errors: aborted. */
export function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const wait = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  return abortable(wait, signal).finally(() => clearTimeout(timer));
}
