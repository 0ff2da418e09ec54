import { describe, expect, test } from 'vitest';
import { driftAfter, freshDrift } from '../../../src/control/drift';
import { mulberry32, normal } from '../../../src/control/random';
import { TUNING } from '../../../src/control/tuning';

const COST = { a: 10, b: 30 } as const;
type Route = keyof typeof COST;

interface World {
  readonly seconds: number;
  readonly slowdown?: (second: number) => number;
  /** True cost over the profile's. */
  readonly truth?: Readonly<Record<Route, number>>;
  readonly cv?: number;
  readonly checkScale?: boolean;
}

/** 30 frames a second, another route every 3 s; what was found first, and when. */
function run({ seconds, slowdown = () => 1, truth = { a: 1, b: 1 }, cv = 0.1, checkScale = false }: World) {
  const random = mulberry32(7);
  let drift = freshDrift(checkScale, -TUNING.driftRestMs);
  for (let i = 0; i < seconds * 30; i++) {
    const second = i / 30;
    const route: Route = Math.floor(second / 3) % 2 ? 'b' : 'a';
    const latencyMs = COST[route] * truth[route] * slowdown(second) * Math.exp(cv * normal(random));
    const step = driftAfter(drift, { now: second * 1000, route, latencyMs }, COST[route]);
    drift = step.drift;
    if (step.drifted !== 'no') return { drifted: step.drifted, second };
  }
  return { drifted: 'no', second: seconds };
}

describe('drift of the ratios', () => {
  test('is found when one route costs half as much again as the profile says', () => {
    expect(run({ seconds: 60, truth: { a: 1, b: 1.5 } }).drifted).toBe('ratios');
    expect(run({ seconds: 60, truth: { a: 1.5, b: 1 } }).drifted).toBe('ratios');
  });

  test('is none while the profile holds, however slow the device and however noisy', () => {
    expect(run({ seconds: 120, slowdown: () => 3 }).drifted).toBe('no');
    expect(run({ seconds: 120, slowdown: (s) => 1 + 0.8 * Math.abs(Math.sin(s / 40)) }).drifted).toBe('no');
    expect(run({ seconds: 300, cv: 0.2 }).drifted).toBe('no');
    // The load changes three frames before the route does, as when it is why the route changes.
    expect(run({ seconds: 300, slowdown: (s) => (Math.floor((s + 0.1) / 3) % 2 ? 1 : 2.5) }).drifted).toBe('no');
    expect(run({ seconds: 300, truth: { a: 1, b: 1.1 } }).drifted).toBe('no');
  });

  test('is not looked for again so soon after a measurement', () => {
    let drift = freshDrift(false, 0);
    for (let i = 0; i < 3000; i++) {
      const now = i * 33;
      const route: Route = Math.floor(i / 60) % 2 ? 'b' : 'a';
      const step = driftAfter(drift, { now, route, latencyMs: COST[route] * (route === 'b' ? 2 : 1) }, COST[route]);
      drift = step.drift;
      expect(step.drifted).toBe('no');
    }
  });
});

describe('drift of the scale', () => {
  test('is found once, in the first frames after a start from a kept profile', () => {
    const found = run({ seconds: 30, slowdown: () => 1.6, checkScale: true });
    expect(found.drifted).toBe('scale');
    expect(found.second).toBeLessThan(3);
    expect(run({ seconds: 30, slowdown: () => 1.1, checkScale: true }).drifted).toBe('no');
    expect(run({ seconds: 30, slowdown: () => 1.6 }).drifted).toBe('no');
  });
});

test('impossible samples change nothing', () => {
  const drift = freshDrift(true, 100);
  const sample = { now: 200, route: 'a', latencyMs: 10 };
  for (const [part, predicted] of [
    [{ latencyMs: NaN }, 10],
    [{ latencyMs: 0 }, 10],
    [{ latencyMs: -1 }, 10],
    [{ now: NaN }, 10],
    [{ now: 50 }, 10],
    [{}, NaN],
    [{}, 0],
  ] as const) {
    expect(driftAfter(drift, { ...sample, ...part }, predicted)).toEqual({ drift, drifted: 'no' });
  }
});
