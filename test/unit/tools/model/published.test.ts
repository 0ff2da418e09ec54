/** The published tables of the official SN-Net results: enumeration, MACs and parameters of every row, exactly. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { routeMacs } from '../../../../src/model/macs';
import { familyParams, routeParams } from '../../../../src/model/params';
import { enumerateRoutes } from '../../../../src/model/stitching';
import { enumerateSwin, swinMacs, swinParams, unevenPairs, type SwinShape } from '../../../../src/model/swin-counting';

const table = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../fixtures/published/${name}_stitch_configs.json`, import.meta.url), 'utf8'));

interface Row {
  readonly id: number;
  readonly anchors: readonly number[];
  readonly kind: 'anchor' | 'stitch';
  readonly stage?: number;
  readonly front_last_block: number | null;
  readonly back_first_block: number | null;
  readonly stitch_layer: number | null;
  readonly nearest_index_layer?: number;
  readonly flops: number;
  readonly params: number;
}

describe('DeiT Ti/S/B', () => {
  const deit = table('deit') as { readonly anchor_dims: readonly number[]; readonly configs: readonly Row[] };
  const anchors = ['ti', 's', 'b'].map((id, index) => {
    const dim = deit.anchor_dims[index]!;
    return { id, name: id, config: { dim, depth: 12, heads: dim / 64, mlp: 4 * dim, patch: 16, eps: 1e-6 } };
  });
  const input = { size: 224, crop: 0.875, filter: 'bicubic', mean: [0, 0, 0], std: [1, 1, 1] } as const;
  const family = { input, classes: 1000, anchors };
  const space = enumerateRoutes(
    anchors.map(({ id }) => ({ id, depth: 12 })),
    { kernel: 2, stride: 1 },
  );

  it('has 71 rows', () => {
    expect(deit.configs).toHaveLength(71);
    expect(space.routes).toHaveLength(71);
  });

  it.each(deit.configs.map((row) => [row.id, row] as const))('row %i', (id, row) => {
    const route = space.routes[id]!;
    const stitched = route.path.length === 3;
    expect(stitched).toBe(row.kind === 'stitch');
    if (stitched) {
      const [front, back] = row.anchors.map((index) => anchors[index]!.id);
      expect(route.path).toEqual([
        { anchor: front, from: 0, to: row.front_last_block },
        { stitch: `${front}-${back}.${row.stitch_layer}` },
        { anchor: back, from: row.back_first_block, to: 11 },
      ]);
    }
    // Stitched routes of the official checkpoint skip the final norm, and are counted without it; their parameters are not.
    expect(routeMacs(family, route.path, !stitched)).toBe(row.flops);
    expect(routeParams(family, route.path)).toBe(row.params);
  });

  it('stores 118,403,448 parameters in all', () => {
    expect(familyParams({ ...family, stitches: [...space.stitches] })).toBe(118_403_448);
  });
});

describe('Swin Ti/S/B', () => {
  const swin = table('swin') as {
    readonly anchor_depths: readonly (readonly number[])[];
    readonly anchor_dims: readonly (readonly number[])[];
    readonly configs: readonly Row[];
  };
  const anchors: SwinShape[] = swin.anchor_depths.map((depths, index) => ({
    depths,
    dims: swin.anchor_dims[index]!,
    heads: swin.anchor_dims[index]!.map((dim) => dim / 32),
  }));
  const routes = enumerateSwin(anchors);
  const nearest = enumerateSwin(anchors, 'nearest');

  it('has 41 rows', () => {
    expect(swin.configs).toHaveLength(41);
    expect(routes).toHaveLength(41);
  });

  it.each(swin.configs.map((row) => [row.id, row] as const))('row %i', (id, row) => {
    const route = routes[id]!;
    if (row.kind === 'anchor') expect(route).toEqual({ anchor: row.anchors[0] });
    else {
      const { stage, front_last_block: front, back_first_block: back, stitch_layer: layer } = row;
      expect(route).toEqual({ from: row.anchors[0], to: row.anchors[1], stage, front, back, layer });
      expect(nearest[id]).toMatchObject({ layer: row.nearest_index_layer ?? layer });
    }
    expect(swinMacs(anchors, route)).toBe(row.flops);
    expect(swinParams(anchors, route)).toBe(row.params);
  });

  it('keeps the official off-by-one at exactly five places', () => {
    const own = unevenPairs(6, 18, 'nearest');
    const off = unevenPairs(6, 18, 'official').filter(({ layer }, index) => layer !== own[index]!.layer);
    expect(off.map(({ front, back, layer }) => [front, back, layer])).toEqual([
      [1, 3, 0],
      [2, 6, 1],
      [3, 9, 2],
      [4, 12, 3],
      [5, 15, 4],
    ]);
    expect(own).toHaveLength(17);
  });
});
