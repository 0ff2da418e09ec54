/** Battery level and charging. Never inferred: where the page may not know, it says so. */
import type { BatteryState } from '../control/types';
import type { BatteryManagerLike, MonitorEnvironment } from './environment';
import { browserEnvironment } from './environment';

const EVENTS = ['levelchange', 'chargingchange'];

/** Calls back with the state now known and with each change; where the API is absent or refused, once with unknown. */
export function watchBattery(
  callback: (battery: BatteryState) => void,
  environment: MonitorEnvironment = browserEnvironment(),
) {
  let stopped = false;
  let manager: BatteryManagerLike | undefined;
  const read = () => {
    if (manager && !stopped) callback(stateOf(manager));
  };
  void open(environment).then((found) => {
    if (stopped) return;
    manager = found;
    if (!manager) return callback({ known: false });
    for (const event of EVENTS) manager.addEventListener(event, read);
    read();
  });
  return () => {
    stopped = true;
    for (const event of EVENTS) manager?.removeEventListener(event, read);
  };
}

async function open({ navigator }: MonitorEnvironment): Promise<BatteryManagerLike | undefined> {
  try {
    return await navigator?.getBattery?.();
  } catch {
    // Refused by permissions policy, or an insecure context.
    return undefined;
  }
}

function stateOf({ level, charging }: BatteryManagerLike): BatteryState {
  return level >= 0 && level <= 1 ? { known: true, level, charging } : { known: false };
}
