/** All sensors as one value. */
import type { Signals } from '../control/types';
import { watchBattery } from './battery';
import { browserEnvironment } from './environment';
import type { MonitorEnvironment } from './environment';
import { watchPressure } from './pressure';
import { watchSaveData } from './save-data';
import { watchVisibility } from './visibility';

export interface Monitor {
  /** What the sensors say now. */
  readonly signals: Signals;
  stop(): void;
}

/** Calls back with each change after the return; what is known at once is in `signals` already. */
export function createMonitor(
  onChange: (signals: Signals) => void,
  environment: MonitorEnvironment = browserEnvironment(),
): Monitor {
  let signals: Signals = { battery: { known: false }, pressure: 'unknown', visible: true, saveData: false };
  let started = false;
  let stopped = false;
  const merge = (part: Partial<Signals>) => {
    const next = { ...signals, ...part };
    if (stopped || same(signals, next)) return;
    signals = next;
    if (started) onChange(signals);
  };
  const stops = [
    watchVisibility((visible) => merge({ visible }), environment),
    watchSaveData((saveData) => merge({ saveData }), environment),
    watchBattery((battery) => merge({ battery }), environment),
    watchPressure((pressure) => merge({ pressure }), environment),
  ];
  started = true;
  return {
    get signals() {
      return signals;
    },
    stop() {
      stopped = true;
      for (const stop of stops) stop();
    },
  };
}

function same(a: Signals, b: Signals): boolean {
  if (a.pressure !== b.pressure || a.visible !== b.visible || a.saveData !== b.saveData) return false;
  if (!a.battery.known || !b.battery.known) return a.battery.known === b.battery.known;
  return a.battery.level === b.battery.level && a.battery.charging === b.battery.charging;
}
