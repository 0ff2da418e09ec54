import { describe, expect, it } from 'vitest';
import type { RouteInfo } from '../../../src/index';
import { explained } from '../../bench/report';

const route = (id: string, macs: number, blocks: number): RouteInfo => ({
  id,
  macs,
  path: [{ anchor: 'a', from: 0, to: blocks - 1 }],
});
const ROUTES = [route('a', 1e9, 12), route('b', 4e9, 12), route('c', 2e9, 14), route('d', 3e9, 13), route('e', 9e9, 12)];
const samplesOf = (timeOf: (route: RouteInfo, index: number) => number) =>
  ROUTES.map((one, index) => ({ route: one, switched: [], steady: [{ totalMs: timeOf(one, index), encodeMs: 0 }] }));
const total = (steady: readonly { totalMs: number }[]) => steady[0]?.totalMs ?? Number.NaN;

describe('explained', () => {
  it('finds a time that MACs and blocks make up', () => {
    const said = explained(
      samplesOf(({ macs, path }) => 5 + (2 * macs) / 1e9 + 0.25 * ((path[0] as { to: number }).to + 1)),
      total,
    );
    expect(said).toBe('R² 1.0000 over 5 routes: 5 ms + 2 ms a GMAC + 0.25 ms a block');
  });

  it('says so when they do not', () => {
    const said = explained(
      samplesOf((_, index) => (index % 2 === 0 ? 10 : 1)),
      total,
    );
    expect(Number(/R² ([\d.]+)/.exec(said ?? '')?.[1])).toBeLessThan(0.9);
  });

  it('says nothing of too few routes, or without times', () => {
    expect(explained(samplesOf(() => 1).slice(0, 3), total)).toBeUndefined();
    expect(
      explained(
        samplesOf(() => Number.NaN),
        total,
      ),
    ).toBeUndefined();
  });
});
