import { describe, expect, test } from 'vitest';
import { planOf, worthOf } from '../../../src/control/oracle';
import { SIMULATION, layOut } from '../../../src/control/simulate';
import type { Course } from '../../../src/control/simulate';
import { mulberry32 } from '../../../src/control/random';
import { TRACES } from '../../../src/control/traces';

const RUNGS = [1, 2, 3].map((costMs, k) => ({ id: `r${k}`, costMs, accuracy: 0.5 + 0.1 * k }));

/** A course whose worth is given by hand: only the ticks, the ladder and the steps matter to the plan. */
function tiny(ticks: number, steps: readonly number[]): Course {
  const course = layOut({ ...TRACES.t1(10, 0.1), seconds: (ticks * SIMULATION.frameMs) / 1000 }, RUNGS);
  return { ...course, ticks, steps: Uint8Array.from(steps) };
}

function valueOf(plan: ArrayLike<number>, course: Course, worth: Float64Array, cost: number, dwell: number): number {
  let sum = 0;
  let since = dwell;
  for (let tick = 0; tick < plan.length; tick++) {
    const rung = plan[tick] ?? 0;
    const before = plan[tick - 1] ?? rung;
    if (tick > 0) since = Math.min(dwell, since + 1);
    if (rung !== before) {
      if (rung > before && since < dwell && !((course.steps[tick] ?? 0) & 2)) return -Infinity;
      sum -= cost;
      since = 0;
    }
    sum += worth[tick * RUNGS.length + rung] ?? 0;
  }
  return sum;
}

test('no plan that keeps the rules is worth more: all 3^7 are tried', () => {
  const ticks = 7;
  const mu = 0.001;
  const cost = (mu * 60_000) / SIMULATION.frameMs;
  for (let seed = 0; seed < 400; seed++) {
    const random = mulberry32(seed);
    const dwell = 1 + Math.floor(random() * 4);
    const steps = Array.from({ length: ticks }, () => (random() < 0.2 ? 2 : 0));
    const course = tiny(ticks, steps);
    const worth = Float64Array.from({ length: ticks * RUNGS.length }, () => Math.floor(60 * random()) - 30);
    let best = -Infinity;
    for (let code = 0; code < 3 ** ticks; code++) {
      const plan = Array.from({ length: ticks }, (_, tick) => Math.floor(code / 3 ** tick) % 3);
      best = Math.max(best, valueOf(plan, course, worth, cost, dwell));
    }
    expect(valueOf(planOf(course, worth, mu, dwell), course, worth, cost, dwell)).toBeCloseTo(best, 9);
  }
});

describe('worth', () => {
  test('is the accuracy of what fits at p95, and of the cheapest where nothing does', () => {
    const course = layOut(TRACES.t1(2.2, 0.05, 1), RUNGS);
    const [first, second, third] = worthOf(course);
    expect([first, second]).toEqual([50, 60]);
    expect(third).toBeLessThan(0);
    const hopeless = worthOf(layOut(TRACES.t1(0.5, 0.05, 1), RUNGS));
    expect(hopeless[0]).toBe(50);
    expect(hopeless[1]).toBeLessThan(0);
  });

  test('the plan steps down with the device, on time, and up again', () => {
    const plan = planOf(layOut(TRACES.t2(3.5, 2), RUNGS));
    const at = (second: number): number => plan[Math.round((second * 1000) / SIMULATION.frameMs)] ?? -1;
    expect([at(9.9), at(10), at(24.9), at(25)]).toEqual([2, 0, 0, 2]);
  });
});
