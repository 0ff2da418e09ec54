import { describe, expect, it } from 'vitest';
import type { RouteInfo } from '../../../src/index';
import { explained } from '../../bench/report';

const route = (id: string, macs: number, blocks: number): RouteInfo => ({
  id,
  macs,
  path: [{ anchor: 'a', from: 0, to: blocks - 1 }],
});
const ROUTES = [route('a', 1e9, 12), route('b', 4e9, 12), route('c', 2e9, 14), route('d', 3e9, 13), route('e', 9e9, 12)];

describe('explained', () => {
  it('finds a time that MACs and blocks make up', () => {
    const said = explained(ROUTES, ({ macs, path }) => 5 + (2 * macs) / 1e9 + 0.25 * ((path[0] as { to: number }).to + 1));
    expect(said).toBe('R² 1.0000 over 5 routes: 5 ms + 2 ms a GMAC + 0.25 ms a block');
  });

  it('says so when they do not', () => {
    const said = explained(ROUTES, ({ id }) => ('ace'.includes(id) ? 10 : 1));
    expect(Number(/R² ([\d.]+)/.exec(said ?? '')?.[1])).toBeLessThan(0.9);
  });

  it('says nothing of too few routes, or without times', () => {
    expect(explained(ROUTES.slice(0, 3), () => 1)).toBeUndefined();
    expect(explained(ROUTES, () => Number.NaN)).toBeUndefined();
  });
});
