import { describe, expect, test } from 'vitest';
import { predictCosts, relativeErrors } from '../../../src/control/predict';
import type { RouteInfo } from '../../../src/core/types';

const DEPTH = 12;
/** MACs and true ms of a block, per anchor; ms are far from proportional, as on a device bound by launches. */
const ANCHORS = [
  { id: 's', macs: 1e8, ms: 0.5 },
  { id: 'm', macs: 4e8, ms: 0.8 },
  { id: 'l', macs: 15e8, ms: 2.5 },
] as const;
const STITCH = { macs: 1e7, ms: 0.2 };
const OVERHEAD_MS = 1.5;

interface TestRoute extends RouteInfo {
  readonly ms: number;
}

function pure(k: number): TestRoute {
  const { id, macs, ms } = ANCHORS[k]!;
  return { id, path: [{ anchor: id, from: 0, to: DEPTH - 1 }], macs: DEPTH * macs, ms: OVERHEAD_MS + DEPTH * ms };
}

function stitched(k: number, at: number): TestRoute {
  const front = ANCHORS[k]!;
  const back = ANCHORS[k + 1]!;
  const rest = DEPTH - at - 1;
  return {
    id: `${front.id}.${at}+${back.id}.${at + 1}`,
    path: [
      { anchor: front.id, from: 0, to: at },
      { stitch: `${front.id}-${back.id}.${at}` },
      { anchor: back.id, from: at + 1, to: DEPTH - 1 },
    ],
    macs: (at + 1) * front.macs + STITCH.macs + rest * back.macs,
    ms: OVERHEAD_MS + (at + 1) * front.ms + STITCH.ms + rest * back.ms,
  };
}

const ROUTES = [pure(0), pure(1), pure(2), ...[0, 1].flatMap((k) => [0, 2, 4, 6, 8, 10].map((at) => stitched(k, at)))];
const truth = ROUTES.map(({ id, ms }) => ({ route: id, medianMs: ms }));
const sampled = (ids: readonly string[], factor = (_: number) => 1) =>
  truth.filter(({ route }) => ids.includes(route)).map(({ route, medianMs }, i) => ({ route, medianMs: medianMs * factor(i) }));
const worst = (costs: ReadonlyMap<string, number>) =>
  Math.max(...relativeErrors(costs, truth).map(({ error }) => Math.abs(error)));

describe('predictCosts', () => {
  const few = ['s', 'm', 'l', 's.4+m.5', 'm.6+l.7'];

  test('anchors and two stitched routes give every route within 3 %', () => {
    const costs = predictCosts(ROUTES, sampled(few));
    expect(costs.size).toBe(ROUTES.length);
    expect(worst(costs)).toBeLessThan(0.03);
  });

  test('noise of 5 % in the samples stays noise of that size', () => {
    expect(
      worst(
        predictCosts(
          ROUTES,
          sampled(few, (i) => (i % 2 ? 1.05 : 0.95)),
        ),
      ),
    ).toBeLessThan(0.1);
  });

  test('an anchor that never ran is taken from its MACs, scaled by what ran', () => {
    const costs = predictCosts(ROUTES, sampled(['s', 'm', 's.4+m.5']));
    const large = costs.get('l') ?? NaN;
    expect(large).toBeGreaterThan(costs.get('m') ?? NaN);
    expect(large).toBeLessThan(10 * (costs.get('m') ?? NaN));
  });

  test('one sample scales by MACs', () => {
    const costs = predictCosts(ROUTES, [{ route: 's', medianMs: 12 }]);
    expect(costs.get('s')).toBeCloseTo(12, 9);
    expect(costs.get('m')).toBeCloseTo(48, 9);
  });

  test('without samples the ratios are those of MACs', () => {
    const costs = predictCosts(ROUTES, []);
    expect((costs.get('l') ?? NaN) / (costs.get('s') ?? NaN)).toBeCloseTo(15, 9);
  });

  test('is positive and finite whatever was measured', () => {
    const wild = [
      [0.01, 500, 0.3],
      [500, 0.01, 0.01],
      [NaN, -1, Infinity],
      [1e-6, 1e6, 1],
    ].map((times) => times.map((medianMs, i) => ({ route: ['s', 'l', 'm.6+l.7'][i]!, medianMs })));
    for (const timings of wild) {
      for (const ms of predictCosts(ROUTES, [...timings, { route: 'unknown', medianMs: 3 }]).values()) {
        expect(ms).toBeGreaterThan(0);
        expect(Number.isFinite(ms)).toBe(true);
      }
    }
  });

  test('more blocks of the same anchors never cost less', () => {
    const costs = predictCosts(
      ROUTES,
      sampled(few, (i) => [1.2, 0.8, 1.1, 0.7, 1.3][i] ?? 1),
    );
    const ladder = [0, 2, 4, 6, 8, 10].map((at) => costs.get(`m.${at}+l.${at + 1}`) ?? NaN);
    const differences = ladder.slice(1).map((ms, i) => ms - ladder[i]!);
    // Each step swaps the same number of blocks of one anchor for the other, so all steps are equal.
    for (const difference of differences) expect(difference).toBeCloseTo(differences[0]!, 6);
  });
});
