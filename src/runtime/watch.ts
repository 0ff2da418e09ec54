/**
 * Continuous classification: the newest frame only, one in flight. A frame that comes while the network is busy is
 * dropped and counted, so latency never grows by queueing.
 */
import { asStitchError } from '../core/errors';
import type { FrameSource } from './api';

export type WatchSource = HTMLVideoElement | HTMLCanvasElement | (() => FrameSource | null);

export interface WatchHooks {
  classify(frame: FrameSource): Promise<unknown>;
  onDropped(): void;
  onError(error: unknown): void;
  /** Share of time the network may run, 0…1. */
  duty(): number;
}

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
  let fresh = false;
  let restUntil = 0;

  const picture = (): FrameSource | null => (typeof source === 'function' ? source() : source);
  const take = async (): Promise<void> => {
    fresh = false;
    const frame = picture();
    if (frame === null) return;
    busy = true;
    const start = performance.now();
    try {
      await hooks.classify(frame);
    } catch (error) {
      const known = asStitchError(error);
      // `busy`: the host's own classify() has the engine; this picture is dropped like any that comes too early.
      if (known.code === 'busy') hooks.onDropped();
      else if (!stopped) hooks.onError(known);
      if (!known.recoverable) stop();
    } finally {
      busy = false;
    }
    const end = performance.now();
    const duty = Math.min(1, Math.max(0.05, hooks.duty()));
    restUntil = end + (end - start) * (1 / duty - 1);
    if (fresh && !stopped && end >= restUntil) await take();
  };
  const cancel = everyPicture(source, () => {
    if (busy) {
      if (fresh) hooks.onDropped();
      fresh = true;
    } else if (performance.now() >= restUntil) {
      void take();
    }
  });
  const stop = () => {
    stopped = true;
    cancel();
  };
  return stop;
}
