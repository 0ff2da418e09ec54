import { beforeAll, describe, expect, it } from 'vitest';
import { parseSafetensors, type TensorView } from '../../../src/bundle/safetensors';
import { routeLabel, toAnchorInfo, toRouteInfo } from '../../../src/model/describe';
import { requiredTensors } from '../../../src/model/stored';
import { tensorsOf, unitsOf, unitsOfAnchor } from '../../../src/model/units';
import { expectError } from '../bundle/expect-error';
import { makeBundle, type MemoryBundle } from '../bundle/make-bundle';

let bundle: MemoryBundle;
let manifest: MemoryBundle['manifest'];
beforeAll(async () => {
  bundle = await makeBundle();
  manifest = bundle.manifest;
});

describe('units', () => {
  it('of a stitched route are front embed and blocks, stitch, back blocks and head', () => {
    const route = manifest.routes.find(({ id }) => id === 'w8.1+w16.2')!;
    expect(unitsOf(route)).toEqual([
      'anchors.w8.embed',
      'anchors.w8.blocks.0',
      'anchors.w8.blocks.1',
      'stitches.w8-w16.1',
      'anchors.w16.blocks.2',
      'anchors.w16.head',
    ]);
  });

  it('of a whole anchor are all it has', () => {
    expect(unitsOf(manifest.routes[0]!)).toEqual(unitsOfAnchor(manifest.anchors[0]!));
  });

  it('come once where a route visits an anchor twice', () => {
    const span = { anchor: 'a', from: 0, to: 1 };
    const units = unitsOf({ path: [span, { stitch: 'x' }, { anchor: 'b', from: 0, to: 0 }, { stitch: 'y' }, span] });
    expect(new Set(units).size).toBe(units.length);
    expect(units).toContain('anchors.a.head');
  });
});

describe('tensorsOf', () => {
  const shapes = (unit: string) => Object.fromEntries(tensorsOf(manifest, unit).map(({ name, shape }) => [name, shape]));

  it('knows the embedding', () => {
    expect(shapes('anchors.w16.embed')).toEqual({
      'anchors.w16.embed.proj.weight': [16, 3, 4, 4],
      'anchors.w16.embed.proj.bias': [16],
      'anchors.w16.embed.cls': [16],
      'anchors.w16.embed.pos': [5, 16],
    });
  });

  it('knows a block', () => {
    expect(shapes('anchors.w8.blocks.2')).toMatchObject({
      'anchors.w8.blocks.2.qkv.weight': [24, 8],
      'anchors.w8.blocks.2.fc1.weight': [32, 8],
      'anchors.w8.blocks.2.fc2.weight': [8, 32],
      'anchors.w8.blocks.2.norm2.bias': [8],
    });
    expect(tensorsOf(manifest, 'anchors.w8.blocks.2')).toHaveLength(12);
  });

  it('knows head and stitch', () => {
    expect(shapes('anchors.w24.head')).toMatchObject({
      'anchors.w24.head.fc.weight': [5, 24],
      'anchors.w24.head.norm.weight': [24],
    });
    expect(shapes('stitches.w8-w16.0')).toEqual({ 'stitches.w8-w16.0.weight': [16, 8], 'stitches.w8-w16.0.bias': [16] });
  });

  it.each([
    '',
    'anchors.w8',
    'anchors.w8.blocks',
    'anchors.w8.blocks.3',
    'anchors.w8.blocks.01',
    'anchors.x.head',
    'stitches.x',
    'other',
  ])('refuses %j', async (unit) => {
    await expectError(() => tensorsOf(manifest, unit), 'bundle-invalid', 'none of this bundle');
  });
});

describe('requiredTensors', () => {
  const shard = () => {
    const { file } = manifest.shards[0]!;
    return new Map<string, TensorView>(parseSafetensors(bundle.files.get(file)!, file));
  };

  it('names what it found', () => {
    const names = requiredTensors(manifest, 'anchors.w8.embed', shard()).map(({ name }) => name);
    expect(names).toEqual(['proj.weight', 'proj.bias', 'cls', 'pos'].map((tail) => `anchors.w8.embed.${tail}`));
  });

  it.each<[what: string, change: Partial<TensorView> | undefined, found: string]>([
    ['missing', undefined, 'found nothing'],
    ['of another shape', { shape: [8, 5] }, 'found F16 [8, 5]'],
    ['of another rank', { shape: [40] }, 'found F16 [40]'],
    ['of another dtype', { dtype: 'BF16' }, 'found BF16 [5, 8]'],
  ])('names a tensor that is %s', async (_, change, found) => {
    const tensors = shard();
    const name = 'anchors.w8.embed.pos';
    if (change === undefined) tensors.delete(name);
    else tensors.set(name, { ...tensors.get(name)!, ...change });
    await expectError(
      () => requiredTensors(manifest, 'anchors.w8.embed', tensors),
      'bundle-invalid',
      name,
      'expected F16 [5, 8]',
      found,
    );
  });
});

describe('descriptions', () => {
  it('put a route on one line', () => {
    const label = (id: string) => routeLabel(manifest.routes.find((route) => route.id === id)!);
    expect([label('w8'), label('w8.0+w16.1'), label('w16.2+w24.2')]).toEqual(['w8 0–2', 'w8 0 → w16 1–2', 'w16 0–2 → w24 2']);
  });

  it('are plain data without what the page does not need', () => {
    const route = { ...manifest.routes[0]!, top1: 0.5, loss: 2 };
    expect(toRouteInfo(route)).toEqual({ id: 'w8', path: route.path, macs: route.macs, top1: 0.5 });
    expect(toAnchorInfo(manifest.anchors[1]!)).toEqual({ id: 'w16', name: 'ViT width 16', dim: 16, depth: 3 });
  });
});
