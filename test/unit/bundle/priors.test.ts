/** The manifest's latencies by its maker: read strictly, and only given to the executor they were measured on. */
import { beforeAll, describe, expect, it } from 'vitest';
import { priorsFor } from '../../../src/bundle/priors';
import { validateManifest } from '../../../src/bundle/validate';
import { expectError } from './expect-error';
import { makeBundle, type MemoryBundle } from './make-bundle';

const URL = 'https://example.org/m/manifest.json';
let bundle: MemoryBundle;
let route = '';
beforeAll(async () => {
  bundle = await makeBundle();
  route = bundle.manifest.routes[0]!.id;
});

const device = (change: object = {}) => ({
  executor: 'wasm',
  date: '2025-03-31',
  frames: 21,
  routes: [{ route, medianMs: 3.5, spreadMs: 0 }],
  ...change,
});
const read = (...priors: unknown[]) => validateManifest({ ...bundle.manifest, priors }, URL).priors;

describe('priors', () => {
  it('are read, without what is not known here', () => {
    expect(read(device({ future: 1 }), device({ executor: 'webgpu', adapter: 'nvidia' }))).toEqual([
      device(),
      device({ executor: 'webgpu', adapter: 'nvidia' }),
    ]);
    expect('priors' in validateManifest(bundle.manifest, URL)).toBe(false);
  });

  it.each([
    ['executor', { executor: 'gpu' }],
    ['date', { date: '31.3.2025' }],
    ['date', { date: '2025-13-31' }],
    ['frames', { frames: 0 }],
    ['adapter', { adapter: 5 }],
    ['routes', { routes: [] }],
    ['routes[0].route', { routes: [{ route: 'nowhere', medianMs: 1 }] }],
    ['routes[0].medianMs', { routes: [{ route: 'ROUTE', medianMs: 0 }] }],
    ['routes[0].medianMs', { routes: [{ route: 'ROUTE', medianMs: Number.NaN }] }],
    ['routes[0].spreadMs', { routes: [{ route: 'ROUTE', medianMs: 1, spreadMs: -1 }] }],
    ['routes[1].route', { routes: [1, 2].map((medianMs) => ({ route: 'ROUTE', medianMs })) }],
  ])('with a bad %s are refused: %j', async (path, change) => {
    const named = JSON.parse(JSON.stringify(device(change)), (_, value: unknown) =>
      value === 'ROUTE' ? route : value,
    ) as object;
    await expectError(() => read(device(), named), 'bundle-invalid', `priors[1].${path} `);
  });

  it('go to the executor they were measured on, the latest first', () => {
    const [old, late] = [device({ date: '2024-12-31' }), device({ routes: [{ route, medianMs: 9 }] })];
    const priors = read(late, old, device({ executor: 'webgpu', date: '2026-01-01' }));
    expect(priorsFor(priors, 'wasm')).toEqual(late.routes);
    expect(priorsFor(priors, 'cpu')).toBeUndefined();
    expect(priorsFor(undefined, 'wasm')).toBeUndefined();
  });
});
