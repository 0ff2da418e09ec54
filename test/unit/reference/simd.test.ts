/** This project's WASM kernels against the plain tfjs ops that they stand for. */
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { BINARIES, compileKernels } from '../../../scripts/kernels.mjs';
import { startBackend } from '../../../src/reference/backends';
import { attention, layerNorm, linear, linearOf } from '../../../src/reference/ops';
import { ATTENTION, LAYER_NORM, LINEAR } from '../../../src/reference/simd/register';
import { startNodeBackend } from '../../../src/tools/model/node-engine';
import { normals } from '../stitching/random';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

/** [rows, columns], the same numbers on every backend. */
const matrix = (rows: number, columns: number, seed: number, scale = 1) =>
  tf.tensor2d(numbers(rows * columns, seed, scale), [rows, columns]);
const numbers = (count: number, seed: number, scale = 1) => Float32Array.from(normals(count, seed), (x) => x * scale);
const list = (count: number, seed: number) => tf.tensor1d(numbers(count, seed));

/** What `compute` gives on the CPU backend, in plain ops, and on WASM, by kernels. */
async function onBoth(compute: () => tf.Tensor) {
  await startBackend('cpu');
  const expected = tf.tidy(() => compute().dataSync());
  await startBackend('wasm');
  const found = tf.tidy(() => compute().dataSync());
  return { expected, found };
}

function expectClose({ expected, found }: { expected: ArrayLike<number>; found: ArrayLike<number> }, tolerance: number) {
  expect(found.length).toBe(expected.length);
  let worst = 0;
  // A NaN is not close to anything.
  for (let i = 0; i < found.length; i++)
    worst = Math.max(worst, Number.isNaN(found[i]!) ? Infinity : Math.abs(found[i]! - expected[i]!));
  expect(worst).toBeLessThan(tolerance);
}

beforeAll(async () => {
  await startBackend('cpu');
  expect(await startNodeBackend('wasm')).toBe('wasm');
});
afterEach(() => expect(tf.memory().numTensors).toBe(0));

describe('kernels on WASM SIMD', () => {
  it('are those of the sources', async () => {
    expect(readFileSync(BINARIES, 'utf8')).toBe(await compileKernels());
  });

  it('are in place on the WASM backend and on no other', () => {
    for (const kernel of [LINEAR, LAYER_NORM, ATTENTION]) {
      expect(tf.getKernel(kernel, 'wasm')).toBeDefined();
      expect(tf.getKernel(kernel, 'cpu')).toBeUndefined();
    }
  });

  const SHAPES = [
    [1, 1, 1],
    [1, 192, 1000],
    [2, 3, 8],
    [3, 7, 9],
    [4, 48, 16],
    [5, 12, 15],
    [63, 33, 29],
    [64, 32, 96],
    [257, 128, 384],
  ] as const;
  describe.each(SHAPES)('a linear layer, %i rows, %i to %i', (rows, inner, out) => {
    it.each([{}, { gelu: true }, { residual: true }, { gelu: true, residual: true }])(
      '%o',
      async ({ gelu = false, residual }) => {
        const both = await onBoth(() =>
          linear(matrix(rows, inner, 1), linearOf(numbers(inner * out, 2, inner ** -0.5), numbers(out, 3)), {
            gelu,
            ...(residual && { residual: matrix(rows, out, 4) }),
          }),
        );
        expectClose(both, 1e-5);
      },
    );
  });

  it('the GELU is exact over its whole range', async () => {
    const x = Float32Array.from({ length: 4001 }, (_, i) => (i - 2000) / 100);
    const both = await onBoth(() =>
      linear(tf.tensor2d(x, [4001, 1]), linearOf(Float32Array.of(1), Float32Array.of(0)), { gelu: true }),
    );
    expectClose(both, 3e-6);
    expect(both.found[0]).toBeCloseTo(0, 12);
    expect(both.found[4000]).toBe(20);
  });

  it.each([
    [1, 4],
    [3, 7],
    [257, 128],
    [5, 1],
  ])('LayerNorm of %i rows of %i', async (rows, dim) => {
    const shifted = () => tf.add<tf.Tensor2D>(matrix(rows, dim, 5), 100);
    expectClose(await onBoth(() => layerNorm(shifted(), { gain: list(dim, 6), bias: list(dim, 7) }, 1e-6)), 2e-4);
  });

  it.each([
    [1, 1, 1, 4],
    [1, 257, 2, 64],
    [2, 61, 3, 5],
    [3, 17, 2, 16],
    [2, 8, 1, 8],
    [1, 120, 3, 12],
  ])('attention of %i images, %i tokens, %i heads of %i', async (batch, tokens, heads, headDim) => {
    const qkv = () => matrix(batch * tokens, 3 * heads * headDim, 8, 2);
    expectClose(await onBoth(() => attention(qkv(), heads, batch)), 2e-5);
  });

  it('attention is steady where scores are far from 0', async () => {
    const qkv = () => tf.add<tf.Tensor2D>(matrix(40, 3 * 16, 9), -9);
    expectClose(await onBoth(() => attention(qkv(), 1, 1)), 2e-4);
  });

  it('a layer that was freed leaves nothing', async () => {
    await startBackend('wasm');
    const before = tf.memory().numBytes;
    const layer = linearOf(numbers(600, 1), numbers(30, 2)) as unknown as tf.TensorContainerObject;
    expect(tf.memory().numBytes - before).toBe(4 * (20 * 32 + 32));
    tf.dispose(layer);
    expect(tf.memory().numBytes).toBe(before);
  });
});
