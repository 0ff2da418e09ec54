import { describe, expect, it } from 'vitest';
import { enumerateRoutes, pairedWindows } from '../../../src/model/stitching';
import { expectError } from '../bundle/expect-error';

const deit = ['ti', 's', 'b'].map((id) => ({ id, depth: 12 }));

describe('the stitching space', () => {
  // Depth 12, three anchors, nearest only.
  it.each([
    [1, 1, 12, 12, 27],
    [2, 1, 11, 34, 71],
    [2, 2, 6, 24, 51],
    [3, 1, 10, 54, 111],
    [3, 2, 6, 44, 91],
    [3, 3, 4, 36, 75],
    [4, 1, 9, 72, 147],
    [4, 2, 5, 64, 131],
    [4, 4, 3, 48, 99],
  ])('kernel %i, stride %i: %i layers, %i pairs, %i routes', (kernel, stride, layers, pairs, routes) => {
    const paired = pairedWindows(12, { kernel, stride });
    expect([paired.layers, paired.pairs.length]).toEqual([layers, pairs]);
    const space = enumerateRoutes(deit, { kernel, stride });
    expect([space.stitches.length, space.routes.length]).toEqual([2 * layers, routes]);
    expect(new Set(space.routes.map(({ id }) => id)).size).toBe(routes);
  });

  it('has the official pair order and layers', () => {
    const { pairs } = pairedWindows(12, { kernel: 2, stride: 1 });
    const text = pairs.map(({ front, back, layer }) => `${front},${back}:${layer}`);
    const expected = ['0,0:0', '0,1:0', '1,0:0', '1,1:0'];
    for (let n = 1; n < 11; n++) expected.push(`${n},${n + 1}:${n}`, `${n + 1},${n}:${n}`, `${n + 1},${n + 1}:${n}`);
    expect(text).toEqual(expected);
  });

  it('numbers the official ids: anchors, Ti to S, S to B', () => {
    const { routes } = enumerateRoutes(deit, { kernel: 2, stride: 1 });
    const ids = routes.map(({ id }) => id);
    expect(ids.slice(0, 5)).toEqual(['ti', 's', 'b', 'ti.0+s.0', 'ti.0+s.1']);
    expect([ids[36], ids[37], ids[70]]).toEqual(['ti.11+s.11', 's.0+b.0', 's.11+b.11']);
    expect(routes[24]!.path).toEqual([
      { anchor: 'ti', from: 0, to: 7 },
      { stitch: 'ti-s.6' },
      { anchor: 's', from: 7, to: 11 },
    ]);
    expect(routes[2]!.path).toEqual([{ anchor: 'b', from: 0, to: 11 }]);
  });

  it('lists the pairs that share a stitch', () => {
    const { stitches } = enumerateRoutes(deit, { kernel: 2, stride: 1 });
    expect(stitches[0]).toMatchObject({ id: 'ti-s.0', from: 'ti', to: 's' });
    expect(stitches.map(({ pairs }) => pairs.length)).toEqual([4, ...Array(10).fill(3), 4, ...Array(10).fill(3)]);
  });

  it('is the anchors alone where there is nothing to stitch', () => {
    expect(enumerateRoutes([deit[0]!], { kernel: 2, stride: 1 })).toMatchObject({ stitches: [], routes: [{ id: 'ti' }] });
  });

  it('refuses what it cannot enumerate', async () => {
    const uneven = [deit[0]!, { id: 'x', depth: 6 }];
    await expectError(
      () => enumerateRoutes(uneven, { kernel: 2, stride: 1 }),
      'argument-invalid',
      '"x" has 6 blocks',
      'equal depth',
    );
    await expectError(() => pairedWindows(12, { kernel: 2, stride: 0 }), 'argument-invalid', 'stride is 0');
    await expectError(() => pairedWindows(12, { kernel: 1.5, stride: 1 }), 'argument-invalid', 'kernel is 1.5');
  });
});
