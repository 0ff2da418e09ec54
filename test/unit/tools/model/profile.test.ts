/** What `profile` measures, what it says of the prediction, and what it writes; the measuring itself is in test/e2e. */
import { describe, expect, it } from 'vitest';
import type { RouteInfo } from '../../../../src/core/types';
import { planProfile, reportOf, withPriors } from '../../../../src/tools/model/profile';
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

describe('reportOf', () => {
  const all = routes();
  const plan = planProfile({ routes: all }, { stitched: 4, few: true });
  const measured = [...plan.fit, ...plan.heldOut];

  it('finds a linear device out from a few routes, and says how far it is off on others', () => {
    const round = (noise: number) =>
      measured.map((route) => ({ route: route.id, samplesMs: [msOf(route), msOf(route) + noise] }));
    const { routes: found, heldOut } = reportOf(all, plan, [...round(0.2), ...round(-0.2)]);
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
    const visits = measured.map((route) => ({
      route: route.id,
      samplesMs: route === odd ? [60, 1000, 10, 90, 40] : [msOf(route)],
    }));
    const { routes: found, heldOut } = reportOf(all, plan, visits);
    const row = found.find(({ id }) => id === odd.id)!;
    expect(row).toMatchObject({ role: 'held out', spreadMs: 90 - 40 });
    expect(row.medianMs).toBeCloseTo(60, 9);
    expect(heldOut!.worstError).toBeCloseTo(Math.abs(row.predictedMs / 60 - 1), 9);
    expect(row.error).toBeCloseTo(row.predictedMs / 60 - 1, 9);
    // The fit did not see it: it is predicted as the device would be without the hiccup.
    expect(Math.abs(row.predictedMs / msOf(odd) - 1)).toBeLessThan(0.02);
  });

  it('is not misled by a machine that is twice as slow for a third of the time', () => {
    const visits = [0, 1, 2, 3, 4, 5].flatMap((round) =>
      measured.map((route, at) => {
        const slow = round * measured.length + at >= 2.5 * measured.length && round < 5;
        return { route: route.id, samplesMs: [msOf(route) * (slow ? 2 : 1)] };
      }),
    );
    const { routes: found, heldOut } = reportOf(all, plan, visits);
    expect(heldOut!.worstError).toBeLessThan(0.05);
    for (const { id, predictedMs } of found) {
      const route = all.find((one) => one.id === id)!;
      expect(Math.abs(predictedMs / msOf(route) - 1), id).toBeLessThan(0.1);
    }
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
