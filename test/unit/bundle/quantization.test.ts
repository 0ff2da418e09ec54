/** The manifest's account of what rounding the weights cost. */
import { beforeAll, describe, expect, it } from 'vitest';
import { validateManifest } from '../../../src/bundle/validate';
import { expectError } from './expect-error';
import { makeBundle, type MemoryBundle } from './make-bundle';

const URL = 'https://example.test/manifest.json';
let bundle: MemoryBundle;
beforeAll(async () => {
  bundle = await makeBundle();
});

const before = { top1: 0.5, top5: 0.75, loss: 2.5 };
const route = { id: 'w8', before, after: { top1: 0.25, top5: 1, loss: 2 } };
const good = { weights: 'int8', images: 12, set: 'val.jpk', routes: [route] };
const withIt = (quantization: unknown) => validateManifest({ ...bundle.manifest, quantization }, URL);

describe('quantization', () => {
  it('is read whole, without unknown fields, and need not be there', () => {
    expect(withIt({ ...good, note: 'x' }).quantization).toEqual(good);
    expect(withIt({ weights: 'f16', images: 0, routes: [] }).quantization).toEqual({ weights: 'f16', images: 0, routes: [] });
    expect(withIt(undefined)).not.toHaveProperty('quantization');
  });

  it.each<[path: string, value: unknown]>([
    ['quantization', 5],
    ['quantization', null],
    ['quantization.weights', { ...good, weights: 'int4' }],
    ['quantization.images', { ...good, images: -1 }],
    ['quantization.images', { ...good, images: 1.5 }],
    ['quantization.set', { ...good, set: 7 }],
    ['quantization.routes', { ...good, routes: 'w8' }],
    ['quantization.routes[0]', { ...good, routes: [null] }],
    ['quantization.routes[0].id', { ...good, routes: [{ ...route, id: 'w9' }] }],
    ['quantization.routes[0].before', { ...good, routes: [{ ...route, before: 1 }] }],
    ['quantization.routes[1].after.top1', { ...good, routes: [route, { ...route, after: { ...before, top1: 1.1 } }] }],
    ['quantization.routes[0].before.top5', { ...good, routes: [{ ...route, before: { top1: 1, loss: 1 } }] }],
    ['quantization.routes[0].after.loss', { ...good, routes: [{ ...route, after: { ...before, loss: -1 } }] }],
  ])('%s is refused by name: %j', async (path, value) => {
    const error = await expectError(() => withIt(value), 'bundle-invalid', URL);
    expect(error.detail['path']).toBe(path);
    expect(error.message).toMatch(/\. .+\.$/);
  });
});
