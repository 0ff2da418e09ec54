/**
 * Continuous classification: the newest frame only, one in flight. A picture that comes while the network is busy or
 * resting is dropped and counted, so latency never grows by queueing. A hidden page shows no new pictures, so nothing runs.
 */
import { asStitchError, type StitchError } from '../core/errors';
import type { FrameSource } from './api';

export type WatchSource = HTMLVideoElement | HTMLCanvasElement | (() => FrameSource | null);

export interface WatchHooks {
  classify(frame: FrameSource): Promise<unknown>;
  onDropped(): void;
  onError(error: StitchError): void;
  /** Share of time the network may run, 0…1. */
  duty(): number;
}

/** A source that fails this often in a row (a tainted video, say) is not asked again. */
const MAX_FAILURES = 10;
const LEAST_DUTY = 0.05;

/** Calls `tick` for every new picture of the source; returns stop. */
function everyPicture(source: WatchSource, tick: () => void): () => void {
  let stopped = false;
  if (source instanceof HTMLVideoElement && 'requestVideoFrameCallback' in source) {
    let handle = 0;
    const next = () => {
      if (stopped) return;
      tick();
      handle = source.requestVideoFrameCallback(next);
    };
    handle = source.requestVideoFrameCallback(next);
    return () => {
      stopped = true;
      source.cancelVideoFrameCallback(handle);
    };
  }
  let handle = 0;
  let lastTime = -1;
  const next = () => {
    if (stopped) return;
    // Without frame callbacks a video's clock tells whether there is a new picture.
    const time = source instanceof HTMLVideoElement ? source.currentTime : lastTime + 1;
    if (time !== lastTime) tick();
    lastTime = time;
    handle = requestAnimationFrame(next);
  };
  handle = requestAnimationFrame(next);
  return () => {
    stopped = true;
    cancelAnimationFrame(handle);
  };
}

export function watch(source: WatchSource, hooks: WatchHooks): () => void {
  let stopped = false;
  let busy = false;
  /** A picture came while busy; the source's newest one is taken as soon as the network is free. */
  let fresh = false;
  let restUntil = 0;
  let failures = 0;

  /** One answer. False where the source has no picture. */
  const once = async (): Promise<boolean> => {
    const frame = typeof source === 'function' ? source() : source;
    if (frame === null) return false;
    const start = performance.now();
    await hooks.classify(frame);
    const end = performance.now();
    const duty = Math.min(1, Math.max(LEAST_DUTY, hooks.duty()));
    restUntil = end + (end - start) * (1 / duty - 1);
    failures = 0;
    return true;
  };
  const fail = (error: unknown): void => {
    const known = asStitchError(error);
    // `busy`: the host's own classify() has the engine; this picture is dropped like any that comes too early.
    if (known.code === 'busy') {
      hooks.onDropped();
      return;
    }
    failures += 1;
    if (!stopped) hooks.onError(known);
    if (!known.recoverable || failures >= MAX_FAILURES) stop();
  };
  const run = async (): Promise<void> => {
    busy = true;
    try {
      do {
        fresh = false;
        if (!(await once())) break;
      } while (fresh && !stopped && performance.now() >= restUntil);
    } catch (error) {
      fail(error);
    } finally {
      busy = false;
    }
  };
  const cancel = everyPicture(source, () => {
    if (!busy && performance.now() >= restUntil) {
      void run();
      return;
    }
    if (fresh || !busy) hooks.onDropped();
    fresh = busy;
  });
  const stop = (): void => {
    stopped = true;
    cancel();
  };
  return stop;
}
