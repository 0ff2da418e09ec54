/**
 * Heat by its effect. A device that has been slower than its own recent best for long, without having become fast again at
 * once as it does when another program ends, counts as throttled: climbs are then few and small. Pure.
 */
import { exp } from '../core/exact';
import { TUNING } from './tuning';
import type { Thermal } from './types';

export interface ThermalState {
  /** Log slowdown that counts as normal: follows a faster device at once, a slower one over minutes. Null before any sample. */
  readonly calm: number | null;
  /** Since when it has been clearly slower than that, ms; null while it is not. */
  readonly slowSince: number | null;
  readonly at: number;
}

export const COOL: ThermalState = { calm: null, slowSince: null, at: 0 };

/** After a sample; `level` is the log slowdown, `settled` says that it rests on enough samples, `suddenlyFaster` that it just fell at once. */
export function thermalAfter(
  { calm, slowSince, at }: ThermalState,
  now: number,
  level: number,
  settled: boolean,
  suddenlyFaster = false,
): ThermalState {
  if (calm === null) return settled ? { calm: level, slowSince: null, at: now } : COOL;
  // Down at once, up with the time constant: what lasts for long is the new normal, which is how the status decays.
  const drift = 1 - exp(-Math.max(0, now - at) / TUNING.thermalForgetMs);
  const next = level < calm ? (settled ? level : calm) : calm + drift * (level - calm);
  const above = level - next;
  // Heat leaves slowly: what ends at once was another program.
  const since = suddenlyFaster ? null : slowSince;
  const slow = above > TUNING.thermalSlow ? (since ?? now) : above < TUNING.thermalCalm ? null : since;
  return { calm: next, slowSince: slow, at: now };
}

export function thermalOf({ slowSince, at }: ThermalState): Thermal {
  return slowSince !== null && at - slowSince >= TUNING.thermalMs ? 'sustained-slowdown' : 'steady';
}

/** The profile that slowdowns refer to has changed. */
export function shiftThermal(state: ThermalState, by: number): ThermalState {
  return state.calm === null ? state : { ...state, calm: state.calm + by };
}
