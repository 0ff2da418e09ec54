import { describe, expect, test } from 'vitest';
import type { RouteInfo } from '../../../src/core/types';
import { buildLadder, sortRungs } from '../../../src/control/ladder';

const route = (id: string, macs: number, top1?: number): RouteInfo => ({
  id,
  path: [],
  macs,
  ...(top1 === undefined ? {} : { top1 }),
});

describe('buildLadder', () => {
  test('keeps the Pareto set, cheapest first', () => {
    const routes = [route('big', 9, 0.9), route('worse', 5, 0.5), route('small', 1, 0.6), route('mid', 4, 0.7)];
    const costs = new Map([
      ['big', 30],
      ['worse', 20],
      ['small', 5],
      ['mid', 12],
    ]);
    expect(buildLadder(routes, costs)).toEqual([
      { id: 'small', costMs: 5, accuracy: 0.6 },
      { id: 'mid', costMs: 12, accuracy: 0.7 },
      { id: 'big', costMs: 30, accuracy: 0.9 },
    ]);
  });

  test('where one accuracy is missing, MACs order all', () => {
    const routes = [route('a', 10, 0.9), route('b', 20), route('c', 40, 0.1)];
    const costs = new Map(routes.map(({ id, macs }) => [id, macs]));
    expect(buildLadder(routes, costs).map(({ id, accuracy }) => [id, accuracy])).toEqual([
      ['a', 0.25],
      ['b', 0.5],
      ['c', 1],
    ]);
  });

  test('of routes with equal MACs and cost the first given stays, whichever id sorts first', () => {
    const costs = new Map([
      ['z', 3],
      ['a', 3],
    ]);
    expect(buildLadder([route('z', 5), route('a', 5)], costs).map(({ id }) => id)).toEqual(['z']);
    expect(buildLadder([route('a', 5), route('z', 5)], costs).map(({ id }) => id)).toEqual(['a']);
  });

  test('drops routes without a usable cost', () => {
    const costs = new Map([
      ['nan', NaN],
      ['zero', 0],
      ['ok', 1],
    ]);
    expect(
      buildLadder([route('nan', 1, 0.1), route('zero', 2, 0.2), route('ok', 3, 0.3), route('none', 4, 0.4)], costs),
    ).toHaveLength(1);
  });
});

test('sortRungs drops repeated ids', () => {
  const rung = { id: 'a', costMs: 1, accuracy: 0.5 };
  expect(sortRungs([rung, { ...rung, costMs: 2 }])).toEqual([rung]);
});
