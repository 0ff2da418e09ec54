import { describe, expect, test } from 'vitest';
import { StitchError } from '../../../src/core/errors';
import type { Budget } from '../../../src/core/types';
import { UNKNOWN_SIGNALS, assertBudget, soundSignals, targetFor } from '../../../src/control/budget';
import type { BatteryState, Signals } from '../../../src/control/types';

const budget: Budget = { latencyMs: 40, energy: 'balanced' };
const signals = (part: Partial<Signals>): Signals => ({ ...UNKNOWN_SIGNALS, ...part });
const discharging = (level: number): BatteryState => ({ known: true, level, charging: false });

describe('assertBudget', () => {
  test.each([NaN, 0, -1, Infinity, -Infinity])('refuses %s ms and says what to give', (latencyMs) => {
    let thrown: unknown;
    try {
      assertBudget({ latencyMs, energy: 'balanced' });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(StitchError);
    expect((thrown as StitchError).code).toBe('argument-invalid');
    expect((thrown as StitchError).message).toMatch(/budget\.latencyMs is .*finite number of milliseconds above 0/);
  });

  test('refuses an unknown energy mode and lists the known ones', () => {
    expect(() => assertBudget({ latencyMs: 33, energy: 'eco' as 'saver' })).toThrow(
      /budget\.energy is 'eco'.*performance, balanced, saver/,
    );
  });

  test('accepts each mode', () => {
    for (const energy of ['performance', 'balanced', 'saver'] as const) assertBudget({ latencyMs: 0.1, energy });
  });
});

test.each([NaN, -0.1, 1.1, Infinity])('a battery level of %s is no level', (level) => {
  expect(soundSignals(signals({ battery: discharging(level) })).battery).toEqual({ known: false });
});

describe('targetFor', () => {
  test('is the whole budget while charging or unknown', () => {
    expect(targetFor(budget, UNKNOWN_SIGNALS)).toMatchObject({ targetMs: 40, duty: 1, why: 'none', ceiling: 'none' });
    expect(targetFor(budget, signals({ battery: { known: true, level: 0.05, charging: true } })).targetMs).toBe(40);
  });

  test('shrinks by tier while discharging, clearly at 20 %', () => {
    const at = (level: number) => targetFor(budget, signals({ battery: discharging(level) }));
    expect(at(0.51).targetMs).toBe(40);
    expect(at(0.5).targetMs).toBe(32);
    expect(at(0.21).targetMs).toBe(32);
    expect(at(0.2)).toMatchObject({ targetMs: 20, why: 'battery', battery: 'low' });
    expect(at(0.0).targetMs).toBe(20);
  });

  test('a low battery counts in every energy mode', () => {
    for (const energy of ['performance', 'balanced', 'saver'] as const) {
      const full = targetFor({ latencyMs: 40, energy }, UNKNOWN_SIGNALS).targetMs;
      expect(targetFor({ latencyMs: 40, energy }, signals({ battery: discharging(0.2) })).targetMs).toBeLessThanOrEqual(
        0.75 * full,
      );
    }
  });

  test('saver asks for less, and says that it was that', () => {
    expect(targetFor({ latencyMs: 40, energy: 'saver' }, UNKNOWN_SIGNALS)).toMatchObject({ targetMs: 24, why: 'energy' });
  });

  test('save-data counts once, not on top of the battery', () => {
    expect(targetFor(budget, signals({ saveData: true }))).toMatchObject({ targetMs: 32, why: 'save-data' });
    expect(targetFor(budget, signals({ saveData: true, battery: discharging(0.1) }))).toMatchObject({
      targetMs: 20,
      why: 'battery',
    });
  });

  test('pressure caps and hiding thins out', () => {
    expect(targetFor(budget, signals({ pressure: 'fair' })).ceiling).toBe('none');
    expect(targetFor(budget, signals({ pressure: 'serious' })).ceiling).toBe('one-lower');
    expect(targetFor(budget, signals({ pressure: 'critical' })).ceiling).toBe('lowest');
    expect(targetFor(budget, signals({ visible: false })).duty).toBeLessThan(0.2);
  });
});
