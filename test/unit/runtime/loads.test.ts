import { describe, expect, test } from 'vitest';
import type { RouteInfo } from '../../../src/core/types';
import type { LoadTier } from '../../../src/engine/api';
import { Loads } from '../../../src/runtime/loads';

const TIERS = ['s', 'm', 'l'].map((anchor) => ({ anchor, planned: true })) as unknown as LoadTier[];
const ROUTES = ['s', 'm', 'l'].map((id): RouteInfo => ({ id, macs: 1, path: [{ anchor: id, from: 0, to: 1 }] }));
const turn = () => new Promise((resolve) => setTimeout(resolve));

describe('loads', () => {
  test('run one after the other, also after one that failed', async () => {
    const loads = new Loads();
    const order: string[] = [];
    let fail = (): void => {};
    const first = loads.run('s', TIERS, () => {
      order.push('s');
      return new Promise<void>((_, reject) => (fail = () => reject(new Error('gone'))));
    });
    const second = loads.run('m', TIERS, async () => void order.push('m'));
    await turn();
    expect([order, loads.active]).toEqual([['s'], true]);
    fail();
    await expect(first).rejects.toThrow('gone');
    await second;
    expect([order, loads.active]).toEqual([['s', 'm'], false]);
  });

  test('what was asked for is what a loss takes away, unless somebody waits for it', async () => {
    const loads = new Loads();
    expect(loads.lost).toBeUndefined();
    await loads.run('m', TIERS, async () => {
      expect(loads.lost).toBeUndefined();
    });
    expect(loads.lost).toBe('m');
    await loads.run('s', TIERS, async () => {});
    expect(loads.lost).toBe('m');
  });

  test('one that was cancelled does not begin again, and what is not there is not restored', async () => {
    const loads = new Loads();
    await loads.run('s', TIERS, async () => {});
    let again = (): void => {};
    const load = loads.run('l', TIERS, async (assertWanted) => {
      assertWanted();
      await new Promise<void>((resolve) => (again = resolve));
      assertWanted();
    });
    await turn();
    loads.cancel({ tiers: TIERS, routes: ROUTES, ready: ['s', 'm'] });
    again();
    await expect(load).rejects.toMatchObject({ code: 'aborted' });
    expect(loads.lost).toBe('m');
    // One that is asked for later is wanted.
    await loads.run('l', TIERS, async (assertWanted) => assertWanted());
    expect(loads.lost).toBe('l');
  });
});
