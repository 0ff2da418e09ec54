import { describe, expect, test } from 'vitest';
import { BASELINES, aimd, fixed, fpsBand, greedy } from '../../../src/control/baselines';
import { SIMULATION, briefing, fly, layOut, noiseFor } from '../../../src/control/simulate';
import type { Pilot, Run } from '../../../src/control/simulate';
import type { StartOptions } from '../../../src/control/state';
import { TRACES } from '../../../src/control/traces';
import type { Trace } from '../../../src/control/traces';
import { LADDER } from './fixture';

function run(trace: Trace, make: (options: StartOptions) => Pilot, seed = 1): Run {
  const course = layOut(trace, LADDER);
  return fly(course, noiseFor(trace, course.ticks, seed), make(briefing(course)));
}
const rungs = (of: Run): number[] => Array.from(of.rung.subarray(0, of.count));
const between = (of: Run, from: number, to: number): number[] =>
  rungs(of).filter((_, i) => {
    const second = ((of.tick[i] ?? 0) * SIMULATION.frameMs) / 1000;
    return second >= from && second < to;
  });

describe('baselines', () => {
  test('a fixed rung stays, whatever happens', () => {
    expect(new Set(rungs(run(TRACES.t2(33, 4), fixed(LADDER[5]?.costMs ?? 0))))).toEqual(new Set([5]));
  });

  test('greedy follows the last frame at once, and so follows noise', () => {
    const step = run(TRACES.t2(33, 2, 1e-6), greedy);
    expect(between(step, 11, 24).every((rung) => (LADDER[rung]?.costMs ?? 0) * 2 <= 33)).toBe(true);
    expect(new Set(between(run(TRACES.t1(33, 0.15), greedy), 5, 60)).size).toBeGreaterThan(3);
  });

  test('AIMD saws: it climbs until a frame is late, and falls by more than one rung', () => {
    const saw = rungs(run(TRACES.t1(33, 0.05), aimd));
    const falls = saw.map((rung, i) => (saw[i - 1] ?? rung) - rung);
    expect(Math.max(...falls)).toBeGreaterThan(1);
    expect(Math.min(...falls)).toBe(-1);
  });

  test('the FPS band moves only after ten windows', () => {
    const slow = run(TRACES.t2(33, 4), fpsBand);
    expect(new Set(between(slow, 0, 2.4)).size).toBe(1);
    expect(Math.min(...between(slow, 20, 25))).toBeLessThan(Math.max(...between(slow, 5, 10)));
  });

  test('each keeps to a ladder that grows and shrinks, and hears the battery', () => {
    for (const make of Object.values(BASELINES)) {
      expect(run(TRACES.t9(33), make).count).toBeGreaterThan(100);
      expect(run(TRACES.t11(33), make).count).toBeGreaterThan(100);
    }
  });
});
