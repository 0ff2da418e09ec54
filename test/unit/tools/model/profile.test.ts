/** What `profile` measures, what it says of the prediction, and what it writes; the measuring itself is in test/e2e. */
import { describe, expect, it } from 'vitest';
import type { RouteInfo } from '../../../../src/core/types';
import { planProfile, reportOf, visits, withPriors } from '../../../../src/tools/model/profile';
import { routeMacs } from '../../../../src/model/macs';
import { expectError } from '../../bundle/expect-error';
import { sampleFamily } from './sample';

/** Twelve blocks deep, with an accuracy that grows with the cost but for every third route. */
function routes(): (RouteInfo & { readonly finalNorm: boolean })[] {
  const { input, classes, anchors, routes: all } = sampleFamily({ depth: 12 });
  const counted = all.map((route) => ({ ...route, macs: routeMacs({ input, classes, anchors }, route.path, route.finalNorm) }));
  const order = [...counted].sort((a, b) => a.macs - b.macs).map(({ id }) => id);
  return counted.map((route) => {
    const rank = order.indexOf(route.id);
    return { ...route, top1: rank % 3 === 2 ? 0.1 : 0.2 + rank / 100 };
  });
}

const ids = (list: readonly { readonly id: string }[]): string[] => list.map(({ id }) => id);

/** A device: 2 ms, 1 ms a block of a, 3 ms a block of b, half a millisecond a stitch. */
function msOf({ path }: Pick<RouteInfo, 'path'>): number {
  return path.reduce((sum, step) => {
    if ('stitch' in step) return sum + 0.5;
    return sum + (step.to - step.from + 1) * (step.anchor === 'a' ? 1 : 3);
  }, 2);
}

describe('planProfile', () => {
  it('takes the Pareto front, fits on the anchors and a few, and holds the rest of the front out', () => {
    const plan = planProfile({ routes: routes() }, { stitched: 4, few: false });
    expect(plan.wanted.length).toBeGreaterThan(10);
    expect(plan.wanted.some(({ top1 }) => top1 === 0.1)).toBe(false);
    expect(ids(plan.fit)).toEqual(expect.arrayContaining(['a', 'b']));
    expect(plan.fit).toHaveLength(2 + 4);
    const measured = [...ids(plan.fit), ...ids(plan.heldOut)];
    expect(new Set(measured).size).toBe(measured.length);
    expect(measured).toEqual(expect.arrayContaining(ids(plan.wanted)));
  });

  it('measures few where the rest is to be predicted', () => {
    const plan = planProfile({ routes: routes() }, { stitched: 4, few: true });
    expect([plan.fit.length, plan.heldOut.length]).toEqual([6, 5]);
    expect(plan.wanted.length).toBeGreaterThan(11 - 2);
  });

  it('takes all routes of a bundle that was not evaluated, and those that are named', async () => {
    const bare = routes().map(({ top1: _unknown, ...route }) => route);
    expect(planProfile({ routes: bare }, { stitched: 4, few: false }).wanted).toHaveLength(bare.length);
    expect(ids(planProfile({ routes: bare }, { stitched: 4, few: false, named: ['a', 'a.3+b.4'] }).wanted)).toEqual([
      'a',
      'a.3+b.4',
    ]);
    await expectError(
      () => planProfile({ routes: bare }, { stitched: 4, few: false, named: ['c'] }),
      'route-unknown',
      '"c"',
      '`inspect`',
    );
  });

  it('leaves something to test the prediction on, however few the routes are', () => {
    const plan = planProfile({ routes: routes() }, { stitched: 4, few: false, named: ['a', 'a.3+b.4', 'a.8+b.9', 'b'] });
    expect([plan.fit.length, plan.heldOut.length]).toEqual([3, 1]);
  });
});

describe('visits', () => {
  it('is every route once a round, and not always after the same one', () => {
    const list = ['p', 'q', 'r', 's'];
    const rounds = Array.from({ length: 6 }, (_, round) => visits(list, round));
    for (const round of rounds) expect([...round].sort()).toEqual(list);
    const before = new Set(rounds.map((round) => round[round.indexOf('q') - 1]));
    expect(before.size).toBeGreaterThan(1);
    expect(visits([], 3)).toEqual([]);
  });
});

describe('reportOf', () => {
  const all = routes();
  const plan = planProfile({ routes: all }, { stitched: 4, few: true });
  const measured = [...plan.fit, ...plan.heldOut];

  it('finds a linear device out from a few routes, and says how far it is off on others', () => {
    const samples = new Map(
      measured.map((route) => [route.id, [msOf(route), msOf(route) + 0.2, msOf(route) - 0.2, msOf(route)]]),
    );
    const { routes: found, heldOut } = reportOf(all, plan, samples);
    expect(heldOut).toMatchObject({ routes: 5 });
    expect(heldOut!.medianError).toBeLessThan(0.02);
    expect(heldOut!.worstError).toBeLessThan(0.05);
    const untested = found.filter(({ role }) => role === 'predicted');
    expect(untested.length).toBeGreaterThan(0);
    for (const { id, predictedMs, medianMs } of untested) {
      expect(medianMs).toBeUndefined();
      const route = all.find((one) => one.id === id)!;
      expect(Math.abs(predictedMs / msOf(route) - 1), id).toBeLessThan(0.05);
    }
    expect(found.map(({ macs }) => macs)).toEqual(found.map(({ macs }) => macs).sort((a, b) => a - b));
  });

  it('takes medians and quartiles, and the error from held-out routes alone', () => {
    const odd = plan.heldOut[0]!;
    const samples = new Map(measured.map((route) => [route.id, [msOf(route)]]));
    samples.set(odd.id, [60, 1000, 10, 90, 40]);
    const { routes: found, heldOut } = reportOf(all, plan, samples);
    const row = found.find(({ id }) => id === odd.id)!;
    expect(row).toMatchObject({ role: 'held out', medianMs: 60, spreadMs: 90 - 40 });
    expect(heldOut!.worstError).toBeCloseTo(Math.abs(row.predictedMs / 60 - 1), 9);
    expect(row.error).toBeCloseTo(row.predictedMs / 60 - 1, 9);
    // The fit did not see it: it is predicted as the device would be without the hiccup.
    expect(Math.abs(row.predictedMs / msOf(odd) - 1)).toBeLessThan(0.02);
  });
});

describe('withPriors', () => {
  const prior = (executor: 'wasm' | 'webgpu', adapter?: string, medianMs = 1) => ({
    executor,
    ...(adapter === undefined ? {} : { adapter }),
    date: '2025-01-01',
    frames: 3,
    routes: [{ route: 'a', medianMs }],
  });

  it('replaces what the same device said before and keeps the others', () => {
    const before = [prior('wasm'), prior('webgpu', 'one'), prior('webgpu', 'two')];
    expect(withPriors(before, prior('webgpu', 'one', 5))).toEqual([before[0], before[2], prior('webgpu', 'one', 5)]);
    expect(withPriors(undefined, prior('wasm'))).toEqual([prior('wasm')]);
  });
});
