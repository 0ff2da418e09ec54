/** The short version of `npm run soak`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSoakSite, type SoakSite, TINY } from '../soak/browser';
import { seeded } from '../soak/random';
import { cycles, frames, heals, kills } from '../soak/soaks';

const NO_LIMIT = { until: Infinity };
let site: SoakSite;
beforeAll(async () => {
  site = await openSoakSite(TINY, true);
});
afterAll(() => site.close());

describe('a short soak', () => {
  it('a device lost at any stage comes back at the same route', async () => {
    const healed = await heals(site, 1, NO_LIMIT);
    expect(healed.map(({ stage, sameRoute, executor }) => [stage, sameRoute, executor])).toEqual([
      ['idle', true, 'webgpu'],
      ['frame', true, 'webgpu'],
      ['load', true, 'webgpu'],
      ['calibration', true, 'webgpu'],
    ]);
    for (const { ms } of healed) expect(ms).toBeGreaterThan(0);
  });

  it('a page killed at any moment of a load gets everything at its next visit', async () => {
    const { done, failures } = await kills(site, 'cpu', 4, seeded(3), NO_LIMIT);
    expect(failures).toEqual([]);
    expect(done).toBe(4);
  });

  it('runtimes come and go and leave nothing behind', async () => {
    const { done, before, after, workers } = await cycles(site, 'cpu', 24, NO_LIMIT);
    expect([done, workers]).toEqual([24, 0]);
    expect(after - before).toBeLessThan(1.5e6);
  });

  it('frames make nothing that stays', async () => {
    const { done, before, after, worker, buffers, tensors } = await frames(site, 'webgpu', 200, NO_LIMIT);
    expect(done).toBeGreaterThanOrEqual(200);
    expect([buffers.after, tensors.after]).toEqual([buffers.before, tensors.before]);
    expect(buffers.after).toBeGreaterThan(0);
    expect(after - before).toBeLessThan(1e6);
    expect(worker.after - worker.before).toBeLessThan(1e6);
  });
});
