/** The arithmetic of the bench and parity pages. */
import { describe, expect, it } from 'vitest';
import { figuresOf, quantile, shareOf, visitsOf, weightsOf } from '../../../src/demo/bench/rounds';
import { routeFor } from '../../../src/demo/parity/check';
import { differenceOf, worstOf } from '../../../src/demo/parity/compare';
import type { RouteState } from '../../../src/index';

describe('rounds', () => {
  it('go to and fro, and know which frames follow a switch', () => {
    const visits = visitsOf(['a', 'b', 'c'], 3);
    expect(visits.map(({ route }) => route).join('')).toBe('abccbaabc');
    expect(visits.map(({ switched }) => (switched ? '1' : '0')).join('')).toBe('011011011');
    expect(visitsOf(['a'], 4).some(({ switched }) => switched)).toBe(false);
  });

  it('foresee what is left by what routes are expected to take', () => {
    const visits = visitsOf(['a', 'b'], 1);
    const weights = weightsOf(visits, new Map([['a', 1], ['b', 3]])); // prettier-ignore
    expect(shareOf(weights, 1, 10)).toEqual({ done: 0.25, leftMs: 30 });
    expect(shareOf(weights, 0, 0)).toEqual({ done: 0, leftMs: NaN });
    expect(shareOf(weights, 2, 40)).toEqual({ done: 1, leftMs: 0 });
    // One that nobody has an idea of makes the ideas of the others useless.
    expect(weightsOf(visits, new Map([['a', 1]]))).toEqual([1, 1]);
  });

  it('tell the median, the slow end, and the price of a switch', () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([5], 0.95)).toBe(5);
    expect(quantile([], 0.5)).toBeNaN();
    const steadyMs = Array.from({ length: 21 }, (_, i) => i);
    expect(figuresOf({ steadyMs, switchedMs: [13, 12, 11] })).toEqual({ medianMs: 10, p95Ms: 19, switchMs: 2 });
    expect(figuresOf({ steadyMs, switchedMs: [] }).switchMs).toBeNull();
  });
});

describe('answers compared', () => {
  const top = (...list: readonly (readonly [number, number])[]) => list.map(([index, probability]) => ({ index, probability }));

  it('finds the largest difference wherever the class stands in the lists', () => {
    const { sameFirst, largest } = differenceOf(top([7, 0.5], [3, 0.3]), top([3, 0.45], [7, 0.4]));
    expect(sameFirst).toBe(false);
    expect(largest).toBeCloseTo(0.15);
    expect(differenceOf(top([7, 0.5]), top([7, 0.5]))).toEqual({ sameFirst: true, largest: 0 });
  });

  it('counts what is surely missing of a class that only one of them names', () => {
    expect(differenceOf(top([7, 0.5], [3, 0.3]), top([7, 0.5], [4, 0.1])).largest).toBeCloseTo(0.2);
    expect(differenceOf(top([7, 0.5], [4, 0.1]), top([7, 0.5], [3, 0.3])).largest).toBeCloseTo(0.2);
  });

  it('takes the worst of all', () => {
    expect(worstOf([])).toEqual({ sameFirst: true, largest: 0 });
    expect(worstOf([{ sameFirst: true, largest: 0.2 }, { sameFirst: false, largest: 0.1 }])).toEqual({ sameFirst: false, largest: 0.2 }); // prettier-ignore
  });

  it('picks the network for the photos by the bundle alone', () => {
    const span = (anchor: string) => ({ anchor, from: 0, to: 1 });
    const route = (id: string, macs: number, available = true): RouteState => ({
      id,
      macs,
      available,
      path: id.includes('+') ? [span('s'), { stitch: 'x' }, span('l')] : [span(id)],
    });
    const routes = [route('l', 9), route('s', 1), route('s+1', 3), route('s+2', 10), route('s+3', 4), route('xl', 99, false)];
    expect(routeFor('largest', routes)).toBe('l');
    expect(routeFor('smallest', routes)).toBe('s');
    expect(routeFor('stitched', routes)).toBe('s+3');
    expect(routeFor('stitched', [route('l', 9)])).toBe('l');
  });
});
