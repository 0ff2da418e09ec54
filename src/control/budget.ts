/** What one inference may take: the user's budget, shrunk by what the sensors say. */
import { StitchError } from '../core/errors';
import type { Budget, EnergyMode } from '../core/types';
import { planSeconds } from './energy';
import type { BatteryState, Signals } from './types';
import { TUNING } from './tuning';

const ENERGY_MODES: readonly EnergyMode[] = ['performance', 'balanced', 'saver'];

export type BatteryTier = 'unknown' | 'charging' | 'high' | 'mid' | 'low';

/** What holds the target below the user's budget most. */
export type TargetLimit = 'none' | 'battery' | 'energy' | 'save-data';

export interface Target {
  /** What one inference may take, ms. */
  readonly targetMs: number;
  /** Share of frames to classify, 0…1, before overload is counted. */
  readonly duty: number;
  readonly why: TargetLimit;
  readonly battery: BatteryTier;
  /** Busy seconds a minute; 60 is no limit. */
  readonly planSeconds: number;
  /** What pressure allows: everything, one rung below the present one, or only the lowest rung. */
  readonly ceiling: 'none' | 'one-lower' | 'lowest';
}

/** Before any sensor has spoken. */
export const UNKNOWN_SIGNALS: Signals = { battery: { known: false }, pressure: 'unknown', visible: true, saveData: false };

/** Throws `argument-invalid` unless `budget` can be obeyed. */
export function assertBudget(budget: Budget): void {
  const { latencyMs, energy } = budget;
  if (typeof latencyMs !== 'number' || !Number.isFinite(latencyMs) || latencyMs <= 0) {
    throw new StitchError(
      'argument-invalid',
      `budget.latencyMs is ${String(latencyMs)}: it must be a finite number of milliseconds above 0, for example 33.`,
      { argument: 'budget.latencyMs', value: String(latencyMs) },
    );
  }
  if (!ENERGY_MODES.includes(energy)) {
    throw new StitchError('argument-invalid', `budget.energy is '${energy}': use one of ${ENERGY_MODES.join(', ')}.`, {
      argument: 'budget.energy',
      value: energy,
    });
  }
}

/** `base` with what `part` says. Errors: argument-invalid. */
export function withBudget(base: Budget, part: Partial<Budget>): Budget {
  if (typeof part !== 'object' || part === null) {
    const text = `The budget is ${String(part)}: it must be an object, for example { latencyMs: 33 }.`;
    throw new StitchError('argument-invalid', text, { argument: 'budget', value: String(part) });
  }
  const { latencyMs = base.latencyMs, energy = base.energy } = part;
  const budget = { latencyMs, energy };
  assertBudget(budget);
  return budget;
}

/** True where {@link assertBudget} would not throw. */
export function isBudget(budget: Budget): boolean {
  return Number.isFinite(budget.latencyMs) && budget.latencyMs > 0 && ENERGY_MODES.includes(budget.energy);
}

/** The same signals, with an impossible battery level as unknown: NaN becomes null in a record. */
export function soundSignals(signals: Signals): Signals {
  const { battery } = signals;
  const sound = battery.known && typeof battery.level === 'number' && battery.level >= 0 && battery.level <= 1;
  return !battery.known || sound ? signals : { ...signals, battery: { known: false } };
}

export function targetFor(budget: Budget, signals: Signals): Target {
  const battery = batteryTier(signals.battery);
  const left = batteryFactor(battery);
  const drain = budget.energy === 'performance' ? Math.sqrt(left) : left;
  const save = signals.saveData ? TUNING.saveDataFactor : 1;
  const energy = budget.energy === 'saver' ? TUNING.saverFactor : 1;
  // Save-data and battery say the same thing (be frugal), so they do not add up.
  const frugal = Math.min(drain, save);
  const factor = frugal * energy;
  let why: TargetLimit = 'none';
  if (factor < 1) {
    if (energy < frugal) why = 'energy';
    else why = drain <= save ? 'battery' : 'save-data';
  }
  return {
    targetMs: budget.latencyMs * factor,
    duty: signals.visible ? 1 : TUNING.hiddenDuty,
    why,
    battery,
    planSeconds: planSeconds(budget.energy, battery),
    ceiling: signals.pressure === 'critical' ? 'lowest' : signals.pressure === 'serious' ? 'one-lower' : 'none',
  };
}

function batteryTier(battery: BatteryState): BatteryTier {
  if (!battery.known) return 'unknown';
  if (battery.charging) return 'charging';
  if (battery.level <= TUNING.batteryLow) return 'low';
  return battery.level <= TUNING.batteryMid ? 'mid' : 'high';
}

function batteryFactor(tier: BatteryTier): number {
  if (tier === 'low') return TUNING.batteryLowFactor;
  if (tier === 'mid') return TUNING.batteryMidFactor;
  return tier === 'high' ? TUNING.batteryHighFactor : 1;
}
