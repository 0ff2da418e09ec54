/** Compute pressure of the processor, where the browser tells (Chromium, secure context, not blocked by policy). */
import type { PressureLevel } from '../control/types';
import type { MonitorEnvironment, PressureObserverLike } from './environment';
import { browserEnvironment } from './environment';

/** Ms between reports: pressure is a matter of seconds. */
const SAMPLE_INTERVAL_MS = 1000;

/** Calls back with each reported level, and with unknown where there is no report to be had. */
export function watchPressure(
  callback: (pressure: PressureLevel) => void,
  environment: MonitorEnvironment = browserEnvironment(),
): () => void {
  let stopped = false;
  let observer: PressureObserverLike | undefined;
  const tell = (pressure: PressureLevel) => {
    if (!stopped) callback(pressure);
  };
  void (async () => {
    try {
      const Observer = environment.PressureObserver;
      if (!Observer) return tell('unknown');
      observer = new Observer((records) => tell(levelOf(records.at(-1)?.state)));
      await observer.observe('cpu', { sampleInterval: SAMPLE_INTERVAL_MS });
      if (stopped) observer.disconnect();
    } catch {
      tell('unknown');
    }
  })();
  return () => {
    stopped = true;
    try {
      observer?.disconnect();
    } catch {
      // An observer that was never allowed to observe has nothing to disconnect.
    }
  };
}

function levelOf(state: string | undefined): PressureLevel {
  return state === 'nominal' || state === 'fair' || state === 'serious' || state === 'critical' ? state : 'unknown';
}
