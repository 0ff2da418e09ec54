import { describe, expect, it } from 'vitest';
import { blockMacs, routeMacs } from '../../../src/model/macs';
import { enumerateRoutes } from '../../../src/model/stitching';
import { expectError } from '../bundle/expect-error';

const anchor = (id: string, dim: number) => ({ id, config: { dim, mlp: 4 * dim, patch: 16 } });
const deit = { input: { size: 224 }, classes: 1000, anchors: [anchor('ti', 192), anchor('s', 384), anchor('b', 768)] };
const space = enumerateRoutes(
  deit.anchors.map(({ id }) => ({ id, depth: 12 })),
  { kernel: 2, stride: 1 },
);

describe('routeMacs', () => {
  // Published with the official SN-Net DeiT results; there only whole anchors have the final norm.
  it.each([
    ['ti', 1_258_411_200],
    ['s', 4_608_338_304],
    ['b', 17_582_740_224],
    ['ti.0+s.0', 4_696_010_496],
    ['ti.0+s.1', 4_316_862_720],
  ])('counts %s as the official counter does', (id, macs) => {
    const { path } = space.routes.find((route) => route.id === id)!;
    expect(routeMacs(deit, path, path.length === 1)).toBe(macs);
  });

  it('adds the final norm at 5 an element of every token', () => {
    const { path } = space.routes[3]!;
    expect(routeMacs(deit, path, true) - routeMacs(deit, path, false)).toBe(5 * 197 * 384);
  });

  it('counts each stitch of a route of two', () => {
    const path = [
      { anchor: 'ti', from: 0, to: 3 },
      { stitch: 'x' },
      { anchor: 's', from: 4, to: 7 },
      { stitch: 'y' },
      { anchor: 'ti', from: 8, to: 11 },
    ];
    const blocks = 8 * blockMacs({ dim: 192, mlp: 768 }, 197) + 4 * blockMacs({ dim: 384, mlp: 1536 }, 197);
    expect(routeMacs(deit, path, false)).toBe(196 * 768 * 192 + blocks + 2 * 197 * 192 * 384 + 1000 * 192);
  });

  it('takes the mlp width from the config, not from a ratio', () => {
    expect(blockMacs({ dim: 8, mlp: 12 }, 5) - blockMacs({ dim: 8, mlp: 8 }, 5)).toBe(2 * 5 * 8 * 4);
  });

  it('names an anchor that is not there', async () => {
    await expectError(() => routeMacs(deit, [{ anchor: 'l', from: 0, to: 1 }], true), 'bundle-invalid', '"l"');
  });
});
