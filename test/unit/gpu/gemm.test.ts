/** What the variants of a GEMM are as text and numbers; what they compute is tested in a browser. */
import { describe, expect, it } from 'vitest';
import { gemmKernel, type GemmShape, gemmWorkgroups, type Tiling } from '../../../src/gpu/kernels/gemm/gemm';

const SHAPE: GemmShape = { m: 65, k: 96, n: 200, weights: 'f16', tiling: 'direct4', epilogue: 'plain', stats: false };

describe('gemmKernel', () => {
  it('has a key of its own for whatever changes the code', () => {
    const shapes: GemmShape[] = [
      SHAPE,
      { ...SHAPE, tiling: 'direct8' },
      { ...SHAPE, tiling: 'wide8' },
      { ...SHAPE, tiling: 'tiled32' },
      { ...SHAPE, tiling: 'tiled64' },
      { ...SHAPE, tiling: 'split' },
      { ...SHAPE, weights: 'int8' },
      { ...SHAPE, halves: 'native' },
      { ...SHAPE, halves: 'native', weights: 'int8' },
      { ...SHAPE, stats: true },
      { ...SHAPE, epilogue: 'gelu' },
      { ...SHAPE, layerNorm: { eps: 1e-6 } },
      { ...SHAPE, layerNorm: { eps: 1e-5 } },
      { ...SHAPE, n: 196 },
      { ...SHAPE, k: 100, layerNorm: { eps: 1e-6 } },
      { ...SHAPE, k: 100, tiling: 'tiled32' },
    ];
    const kernels = shapes.map((shape) => gemmKernel(shape));
    expect(new Set(kernels.map(({ wgsl }) => wgsl)).size).toBe(shapes.length);
    expect(new Set(kernels.map(({ key }) => key)).size).toBe(shapes.length);
  });

  it.each(['direct4', 'wide8', 'tiled32', 'split'] as const)('is the same for all widths that end alike: %s', (tiling) => {
    const shape: GemmShape = { ...SHAPE, tiling, layerNorm: { eps: 1e-6 }, stats: true };
    expect(gemmKernel({ ...shape, k: 768, n: 2304 })).toEqual(gemmKernel(shape));
  });

  it.each(['direct4', 'tiled32', 'split'] as const)('unpacks nothing where half floats are native: %s', (tiling) => {
    const { wgsl } = gemmKernel({ ...SHAPE, tiling, layerNorm: { eps: 1e-6 }, halves: 'native' });
    expect(wgsl).toMatch(/^enable f16;/);
    expect(wgsl).not.toContain('unpack2x16float');
    expect(wgsl).toContain('w: array<half4>');
  });

  it.each(['direct4', 'tiled32'] as const)('wants no feature where none is said to be there: %s', (tiling) => {
    expect(gemmKernel({ ...SHAPE, tiling, layerNorm: { eps: 1e-6 } }).wgsl).not.toContain('enable');
  });
});

describe('gemmWorkgroups', () => {
  it.each([
    ['direct4', Math.ceil((17 * 25) / 64)],
    ['direct8', Math.ceil((9 * 25) / 64)],
    ['wide8', Math.ceil((9 * 13) / 8)],
    ['tiled32', 3 * 4],
    ['tiled64', 2 * 4],
  ] as const satisfies readonly (readonly [Tiling, number])[])('%s covers 65 rows of 25 panels', (tiling, count) => {
    expect(gemmWorkgroups({ ...SHAPE, tiling })).toBe(count);
  });

  it('of one row covers its panels by fours', () => {
    expect(gemmWorkgroups({ ...SHAPE, m: 1, tiling: 'split' })).toBe(7);
  });
});
