import { describe, expect, test } from 'vitest';
import { decide } from '../../../src/control/policy';
import { start } from '../../../src/control/state';
import type { ControlState } from '../../../src/control/state';
import { TUNING } from '../../../src/control/tuning';
import { COOL, thermalAfter, thermalOf, type ThermalState } from '../../../src/control/thermal';
import { LADDER, rungIndex } from './fixture';

const SECOND = 1000;

/** One sample a second at a slowdown. */
function run(from: ThermalState, begin: number, seconds: number, slowdown: (second: number) => number): ThermalState {
  let state = from;
  for (let i = 1; i <= seconds; i++) state = thermalAfter(state, begin + i * SECOND, Math.log(slowdown(i)), true);
  return state;
}

describe('sustained slowdown', () => {
  const calm = run(COOL, 0, 20, () => 1);

  test('is what lasts, not what passes', () => {
    expect(thermalOf(calm)).toBe('steady');
    expect(thermalOf(run(calm, 20_000, 25, () => 1.5))).toBe('steady');
    expect(thermalOf(run(calm, 20_000, 40, () => 1.5))).toBe('sustained-slowdown');
    // A square wave of half a minute is another program, not heat.
    expect(thermalOf(run(calm, 20_000, 119, (s) => (Math.floor(s / 20) % 2 ? 1.6 : 1)))).toBe('steady');
  });

  test('ends when the device is fast again, and decays when the slowness stays', () => {
    const hot = run(calm, 20_000, 60, () => 1.5);
    expect(thermalOf(run(hot, 80_000, 2, () => 1))).toBe('steady');
    expect(thermalOf(run(hot, 80_000, 1800, () => 1.5))).toBe('steady');
  });

  test('what ends at once was another program: the count begins anew, however slow the device still is', () => {
    let state = run(calm, 20_000, 29, () => 2);
    state = thermalAfter(state, 50_000, Math.log(1.4), true, true);
    expect(thermalOf(run(state, 50_000, 25, () => 1.4))).toBe('steady');
    expect(thermalOf(run(state, 50_000, 40, () => 1.4))).toBe('sustained-slowdown');
  });

  test('a creeping one is found, too', () => {
    expect(thermalOf(run(calm, 20_000, 400, (s) => 1 + (0.8 * s) / 600))).toBe('sustained-slowdown');
  });

  test('an unsettled level sets no standard', () => {
    let state = COOL;
    for (let i = 0; i < 10; i++) state = thermalAfter(state, i * SECOND, -2, false);
    expect(state.calm).toBeNull();
  });
});

test('while it lasts, climbs are seldom', () => {
  const costOf = (id: string) => LADDER.find((rung) => rung.id === id)?.costMs ?? NaN;
  const cold: ControlState = start({ rungs: LADDER, budget: { latencyMs: 33, energy: 'balanced' }, now: 0 }).state;
  const frames = (from: ControlState, count: number, slowdown: number) => {
    const climbs: number[] = [];
    let state = from;
    for (let i = 0; i < count; i++) {
      const latencyMs = costOf(state.current) * slowdown * (1 + 0.03 * Math.sin(i * 2.4));
      const step = decide(state, { type: 'sample', now: state.now + 33, route: state.current, latencyMs });
      const climbed = rungIndex(step.state.current) > rungIndex(state.current);
      state = step.state;
      if (climbed) climbs.push(state.now);
    }
    return { state, climbs };
  };
  let { state } = frames(cold, 300, 1);
  ({ state } = frames(state, 40 * 30, 2.5));
  expect(thermalOf(state.thermal)).toBe('sustained-slowdown');
  // It cools little by little: room for one rung after another.
  const climbs: number[] = [];
  for (let second = 0; second < 40; second++) {
    const cooled = frames(state, 30, 2.5 - 0.02 * second);
    state = cooled.state;
    climbs.push(...cooled.climbs);
  }
  expect(thermalOf(state.thermal)).toBe('sustained-slowdown');
  expect(climbs.length).toBeGreaterThan(0);
  for (const [i, at] of climbs.slice(1).entries()) expect(at - (climbs[i] ?? 0)).toBeGreaterThanOrEqual(TUNING.thermalDwellMs);
});
