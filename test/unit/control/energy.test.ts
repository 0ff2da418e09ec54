/** The energy plan: what it allows, that the bucket keeps it, and that pacing leaves out what it should. */
import { describe, expect, test } from 'vitest';
import { BusyMeter, NO_LIMIT, emptyBucket, planSeconds, readyAt, spend } from '../../../src/control/energy';
import { NO_PACE, nextDue } from '../../../src/control/pace';
import { createController } from '../../../src/control/controller';
import { measure } from '../../../src/control/metrics';
import { mulberry32 } from '../../../src/control/random';
import { hopelessTicks, planOf } from '../../../src/control/oracle';
import { briefing, fly, layOut, noiseFor } from '../../../src/control/simulate';
import { TRACES } from '../../../src/control/traces';
import { TUNING } from '../../../src/control/tuning';
import { LADDER } from './fixture';

describe('the plan', () => {
  test('is none without a known battery that drains, unless saving is asked for', () => {
    for (const tier of ['unknown', 'charging'] as const) {
      expect(planSeconds('balanced', tier)).toBe(NO_LIMIT);
      expect(planSeconds('performance', tier)).toBe(NO_LIMIT);
      expect(planSeconds('saver', tier)).toBe(NO_LIMIT * TUNING.planSaver);
    }
  });

  test('shrinks with the battery and with thrift', () => {
    for (const energy of ['performance', 'balanced', 'saver'] as const) {
      const plans = (['charging', 'high', 'mid', 'low'] as const).map((tier) => planSeconds(energy, tier));
      expect(plans).toEqual([...plans].sort((a, b) => b - a));
      expect(new Set(plans).size).toBe(4);
    }
    for (const tier of ['high', 'mid', 'low'] as const) {
      expect(planSeconds('performance', tier)).toBeGreaterThan(planSeconds('balanced', tier));
      expect(planSeconds('balanced', tier)).toBeGreaterThan(planSeconds('saver', tier));
    }
  });
});

describe('the bucket', () => {
  test('frames that wait for it use the plan and no more, whatever their times', () => {
    const random = mulberry32(3);
    for (const plan of [6, 15, 24, 45]) {
      let bucket = emptyBucket(0);
      let now = 0;
      let busyMs = 0;
      while (now < 120_000) {
        const began = Math.max(now, readyAt(bucket, plan));
        const ms = 5 + 60 * random();
        now = began + ms;
        busyMs += ms;
        bucket = spend(bucket, now, plan, ms);
      }
      expect(busyMs / 1000 / (now / 60_000)).toBeCloseTo(plan, 0);
    }
  });

  test('no plan, no wait; saved-up time and debts are bounded', () => {
    expect(readyAt(spend(emptyBucket(0), 10, NO_LIMIT, 500), NO_LIMIT)).toBeLessThanOrEqual(10);
    expect(spend(emptyBucket(0), 3_600_000, 30, 0).tokensMs).toBe(TUNING.planBurstMs);
    expect(readyAt(spend(emptyBucket(0), 0, 30, 1e9), 30)).toBe(2 * TUNING.planDebtMostMs);
  });
});

test('with a plan that binds, the simulated controller works within 5 % of it; with one that does not, less', () => {
  const errors = [33, 60, 100].map((budgetMs) => {
    const course = layOut(TRACES.t11Plan(budgetMs, 'saver'), LADDER);
    const run = fly(course, noiseFor(course.trace, course.ticks, 1), createController(briefing(course)));
    const metrics = measure(run, planOf(course), hopelessTicks(course));
    expect(metrics.busy).toBeLessThan(NO_LIMIT * TUNING.planSaver * 1.05);
    return metrics.planError;
  });
  expect(errors.filter((error) => !Number.isNaN(error)).length).toBeGreaterThan(0);
  for (const error of errors) if (!Number.isNaN(error)) expect(error).toBeLessThanOrEqual(5);
});

test('the meter counts the last minute, scaled up before it is over', () => {
  const meter = new BusyMeter();
  expect(meter.secondsPerMinute(0)).toBe(0);
  for (let i = 1; i <= 100; i++) meter.add(i * 100, 50);
  expect(meter.secondsPerMinute(10_000)).toBeCloseTo(30, 0);
  expect(meter.secondsPerMinute(65_000)).toBeCloseTo(2.6, 0);
  expect(meter.secondsPerMinute(200_000)).toBe(0);
});

test('one frame is no busy minute', () => {
  const meter = new BusyMeter();
  meter.add(100, 60);
  expect(meter.secondsPerMinute(100)).toBeLessThan(1);
});

describe('pacing', () => {
  /** Frames in 10 s when pictures come every `interval` and a frame takes `ms`. */
  function frames(interval: number, ms: number, duty: number): number {
    let due: number = NO_PACE;
    let count = 0;
    for (let at = 0; at < 10_000;) {
      if (at + interval / 2 < due) {
        at = (Math.floor(at / interval) + 1) * interval;
        continue;
      }
      const free = at + ms;
      due = nextDue(due, at, free, interval, duty);
      count++;
      // A picture that came meanwhile is taken at once, else the next one is waited for.
      const newest = Math.floor(free / interval);
      at = newest > Math.floor(at / interval) ? free : (newest + 1) * interval;
    }
    return count;
  }

  test.each([
    [33, 10],
    [33, 30],
    [16, 70],
  ])('pictures every %i ms, frames of %i ms: a share of the duty', (interval, ms) => {
    const all = frames(interval, ms, 1);
    for (const duty of [0.8, 0.5, 0.3, 0.1]) {
      expect(Math.abs(frames(interval, ms, duty) / all - duty), `${duty}`).toBeLessThan(0.06);
    }
  });

  test('a rest never lasts longer than its bound', () => {
    expect(nextDue(NO_PACE, 0, 400, 33, 0.1)).toBeLessThanOrEqual(400 + TUNING.restMostMs);
  });
});
