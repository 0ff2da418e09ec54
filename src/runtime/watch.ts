/**
 * Continuous classification: the newest frame only, one in flight, or two where the second comes to a GPU that is about to become
 * free. A picture that comes while the network is busy or resting is dropped and counted, so latency never grows by queueing. A
 * hidden page shows no new pictures, so nothing runs.
 */
import { NO_PACE, nextDue } from '../control/pace';
import { asStitchError, StitchError, withDetail } from '../core/errors';
import type { FrameSource } from './api';

export type WatchSource = HTMLVideoElement | HTMLCanvasElement | (() => FrameSource | null);

export interface WatchHooks {
  classify(frame: FrameSource): Promise<unknown>;
  onDropped(): void;
  onError(error: StitchError): void;
  /** After the last error: no further picture is asked for. */
  onEnd(): void;
  /** Share of frames to classify, 0…1. */
  duty(): number;
  /** When the energy plan allows the next frame, performance.now(). */
  readyAt(): number;
  /** How long after the last frame's beginning the next may begin although that is on its way, ms; Infinity: not at all. */
  overlapAfter(): number;
}

const MOST_IN_FLIGHT = 2;

/** A source that fails this often in a row (a tainted video, say) is not asked again. */
const MAX_FAILURES = 10;
/** Weight of the newest interval in the mean time between pictures. */
const INTERVAL_GAIN = 0.1;
/** A longer gap between two pictures is a pause, not the source's rate, ms. */
const PAUSE_MS = 500;

/** Errors: argument-invalid, for what has no stream of pictures. */
export function assertWatchable(source: unknown): void {
  if (typeof source === 'function') return;
  const isObject = typeof source === 'object' && source !== null;
  if (isObject && ('videoWidth' in source || 'getContext' in source)) return;
  const remedy =
    isObject && 'getTracks' in source
      ? 'Show the stream in a <video> (video.srcObject = stream) and watch that.'
      : isObject && 'naturalWidth' in source
        ? 'An image is one picture: use runtime.classify().'
        : 'Pass a <video>, a <canvas>, or a function that returns the next picture.';
  const what = isObject
    ? `a ${source.constructor.name}`
    : source === null || source === undefined
      ? String(source)
      : `a ${typeof source}`;
  throw new StitchError('argument-invalid', `The source to watch is ${what}. ${remedy}`, { argument: 'source' });
}

/** Calls `tick` for every new picture of the source; returns stop. */
export function everyPicture(source: WatchSource, tick: () => void): () => void {
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
  let inFlight = 0;
  let startedAt = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** There is a picture that was not classified; the source's newest one is taken as soon as the network is free. */
  let fresh = false;
  let due = NO_PACE;
  let intervalMs = 0;
  let lastPicture = 0;
  let failures = 0;

  /** Half an interval early is nearer than half an interval late. */
  const rested = (): boolean => {
    const at = performance.now();
    return hooks.duty() > 0 && at + intervalMs / 2 >= due && at >= hooks.readyAt();
  };
  /** One answer, where the source has a picture. */
  const once = async (): Promise<void> => {
    const frame = typeof source === 'function' ? source() : source;
    if (frame === null) return;
    const start = performance.now();
    await hooks.classify(frame);
    due = nextDue(due, start, performance.now(), intervalMs, hooks.duty());
    failures = 0;
  };
  const fail = (error: unknown): void => {
    const known = asStitchError(error);
    // `busy`: the host's own classify() has the engine; this picture is dropped like any that comes too early.
    if (known.code === 'busy') {
      hooks.onDropped();
      return;
    }
    failures += 1;
    const tooMany = known.recoverable && failures >= MAX_FAILURES;
    if (!stopped) hooks.onError(tooMany ? withDetail(known, { final: true }) : known);
    if (known.recoverable && !tooMany) return;
    stop();
    hooks.onEnd();
  };
  const run = async (): Promise<void> => {
    fresh = false;
    inFlight += 1;
    startedAt = performance.now();
    try {
      await once();
    } catch (error) {
      fail(error);
    } finally {
      inFlight -= 1;
      next();
    }
  };
  /** Begins the next frame, if there is one and its time has come; sets a timer where that will be before an answer is here. */
  const next = (): void => {
    clearTimeout(timer);
    if (stopped || !fresh || inFlight === MOST_IN_FLIGHT || !rested()) return;
    const wait = inFlight === 0 ? 0 : startedAt + hooks.overlapAfter() - performance.now();
    if (wait <= 0) void run();
    else if (wait < Infinity) timer = setTimeout(next, wait);
  };
  const cancel = everyPicture(source, () => {
    const at = performance.now();
    if (at - lastPicture < PAUSE_MS) intervalMs += INTERVAL_GAIN * (at - lastPicture - intervalMs);
    lastPicture = at;
    if (fresh) hooks.onDropped();
    fresh = true;
    next();
    if (inFlight > 0 || !fresh) return;
    hooks.onDropped();
    fresh = false;
  });
  const stop = (): void => {
    stopped = true;
    clearTimeout(timer);
    cancel();
  };
  return stop;
}
