/** Loads the rest of a bundle while frames are answered: the planned tiers one by one, and more on demand. */
import { asStitchError, StitchError } from '../core/errors';
import type { EngineHost } from './heal';
import type { CrashMarker } from './crash-marker';

export interface Loading {
  /** Resolves when everything planned is loaded. Errors: those of the engine's `loadMore`; what was unlocked before stays. */
  readonly loaded: Promise<void>;
  /** Loads up to `anchor`, planned or not; default: everything planned. Errors: argument-invalid, and as `loaded`. */
  more(anchor?: string): Promise<void>;
}

/** `signal` ends what is planned; what is asked for later is not its matter. */
export function startLoading(host: EngineHost, marker: CrashMarker, signal: AbortSignal | undefined): Loading {
  let queue: Promise<void> = Promise.resolve();
  const more = async (anchor?: string, planned?: AbortSignal): Promise<void> => {
    const { tiers } = host.info;
    const last =
      anchor === undefined ? tiers.findLastIndex((tier) => tier.planned) : tiers.findIndex((t) => t.anchor === anchor);
    if (last < 0) {
      const known = tiers.map((tier) => tier.anchor).join(', ');
      throw new StitchError('argument-invalid', `There is no anchor "${anchor}" in this bundle. Use one of ${known}.`);
    }
    for (const tier of tiers.slice(0, last + 1)) {
      if (planned?.aborted) throw new StitchError('aborted', 'Loading was cancelled. What is there can be used.');
      // The smallest has nothing below it to fall back to.
      if (tier !== tiers[0]) marker.begin(tier.anchor);
      let done = false;
      try {
        await host.loadMore(tier.anchor);
        done = true;
      } catch (error) {
        throw asStitchError(error);
      } finally {
        marker.end(done);
      }
    }
  };
  /** One after the other: the engine loads one thing at a time. */
  const enqueue = (anchor?: string, planned?: AbortSignal): Promise<void> => {
    const turn = queue.then(() => more(anchor, planned));
    queue = turn.catch(() => {});
    return turn;
  };
  const loaded = enqueue(undefined, signal);
  const cancel = (): void => host.cancelLoad();
  signal?.addEventListener('abort', cancel);
  const forget = (): void => signal?.removeEventListener('abort', cancel);
  loaded.then(forget, forget);
  // Whoever does not ask for it need not handle it; the error is emitted, too.
  loaded.catch(() => {});
  return { loaded, more: (anchor) => enqueue(anchor) };
}
