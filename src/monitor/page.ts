/** How smoothly the page itself runs: its animation frames and what is long among them. Costs one callback a frame while it watches. */
import type { PageFps } from '../control/types';
import type { MonitorEnvironment, PerformanceObserverLike } from './environment';
import { browserEnvironment } from './environment';

/** One reading. */
export interface PageReading {
  /** Animation frames a second; unknown while the page is hidden, throttled, or has no animation frames. */
  readonly fps: PageFps;
  /** Ms a second in frames longer than {@link LONG_MS}: as the browser reports them, else as gaps between animation frames. */
  readonly longMs: number | 'unknown';
}

/** Ms of one reading. */
const WINDOW_MS = 1000;
/** As in the Long Animation Frames API. */
const LONG_MS = 50;
const LONG_FRAMES = 'long-animation-frame';
/** A page that gets fewer frames than this is not shown, or throttled: that is no stutter. */
const LEAST_FPS = 2;

/** Calls back about once a second until stopped. Never throws. */
export function watchPage(
  callback: (reading: PageReading) => void,
  environment: MonitorEnvironment = browserEnvironment(),
): () => void {
  const { requestAnimationFrame: request, cancelAnimationFrame: cancel, document } = environment;
  if (!request) {
    callback({ fps: 'unknown', longMs: 'unknown' });
    return () => {};
  }
  let stopped = false;
  let handle = 0;
  let began: number | undefined;
  let last = 0;
  let frames = 0;
  let gapMs = 0;
  let reportedMs = 0;
  const observer = observeLongFrames((ms) => (reportedMs += ms), environment);
  const restart = (now: number) => {
    began = now;
    frames = 0;
    gapMs = 0;
    reportedMs = 0;
  };
  const tick = (now: number) => {
    if (stopped) return;
    handle = request(tick);
    if (began === undefined || document?.visibilityState === 'hidden') {
      last = now;
      return restart(now);
    }
    frames++;
    if (now - last > LONG_MS) gapMs += now - last;
    last = now;
    const passed = now - began;
    if (passed < WINDOW_MS) return;
    const fps = (1000 * frames) / passed;
    const longMs = (1000 * (observer ? reportedMs : gapMs)) / passed;
    restart(now);
    callback(fps < LEAST_FPS ? { fps: 'unknown', longMs: 'unknown' } : { fps, longMs });
  };
  handle = request(tick);
  // A hidden page gets no animation frames, so the first one afterwards ends no second: it begins one.
  const forget = () => (began = undefined);
  document?.addEventListener('visibilitychange', forget);
  return () => {
    stopped = true;
    document?.removeEventListener('visibilitychange', forget);
    cancel?.(handle);
    observer?.disconnect();
  };
}

/** Undefined where this browser does not report long animation frames. */
function observeLongFrames(add: (ms: number) => void, { PerformanceObserver: Observer }: MonitorEnvironment) {
  try {
    if (!Observer?.supportedEntryTypes?.includes(LONG_FRAMES)) return undefined;
    const observer: PerformanceObserverLike = new Observer((list) => {
      for (const { duration } of list.getEntries()) add(duration);
    });
    observer.observe({ type: LONG_FRAMES });
    return observer;
  } catch {
    return undefined;
  }
}
