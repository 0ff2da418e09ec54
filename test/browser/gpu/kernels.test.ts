/** Attention and top-k against a scalar reference in f64, at shapes that do not fit their tiles. GEMM: gemm.test.ts. */
import { describe, expect, it } from 'vitest';
import { attentionKernel, type AttentionShape, attentionWorkgroups } from '../../../src/gpu/kernels/attention';
import { topKKernel } from '../../../src/gpu/kernels/top-k';
import { expectClose } from '../../support/close';
import { dispatch, download, random, upload, withDevice } from '../../support/gpu';

const at = (v: ArrayLike<number>, i: number): number => v[i] ?? Number.NaN;

/** One image: qkv [tokens, 3 · dim] -> [tokens, dim]. */
function scalarAttention(qkv: Float32Array, { tokens, heads, headDim }: AttentionShape): Float32Array {
  const dim = heads * headDim;
  const out = new Float32Array(tokens * dim);
  for (let h = 0; h < heads; h++) {
    for (let t = 0; t < tokens; t++) {
      const score = Array.from({ length: tokens }, (_, j) => {
        let s = 0;
        for (let i = 0; i < headDim; i++)
          s += at(qkv, t * 3 * dim + h * headDim + i) * at(qkv, j * 3 * dim + dim + h * headDim + i);
        return s / Math.sqrt(headDim);
      });
      const top = Math.max(...score);
      const weight = score.map((s) => Math.exp(s - top));
      const total = weight.reduce((a, b) => a + b, 0);
      for (let i = 0; i < headDim; i++) {
        let o = 0;
        for (let j = 0; j < tokens; j++) o += (at(weight, j) / total) * at(qkv, j * 3 * dim + 2 * dim + h * headDim + i);
        out[t * dim + h * headDim + i] = o;
      }
    }
  }
  return out;
}

describe('attention', () => {
  const cases = [
    { images: 1, tokens: 1, heads: 1, headDim: 4, queries: 1, parts: 1 },
    { images: 1, tokens: 3, heads: 2, headDim: 8, queries: 2, parts: 1 },
    { images: 3, tokens: 17, heads: 3, headDim: 16, queries: 2, parts: 1 },
    { images: 1, tokens: 65, heads: 2, headDim: 32, queries: 5, parts: 1 },
    { images: 2, tokens: 7, heads: 2, headDim: 16, queries: 5, parts: 1 },
    { images: 2, tokens: 197, heads: 1, headDim: 64, queries: 1, parts: 1 },
    { images: 1, tokens: 1, heads: 1, headDim: 4, queries: 1, parts: 4 },
    { images: 1, tokens: 6, heads: 3, headDim: 8, queries: 1, parts: 4 },
    { images: 2, tokens: 17, heads: 3, headDim: 16, queries: 1, parts: 4 },
    { images: 1, tokens: 65, heads: 2, headDim: 32, queries: 1, parts: 2 },
    { images: 1, tokens: 197, heads: 2, headDim: 64, queries: 1, parts: 4 },
  ];
  for (const shape of cases) {
    it(`${shape.images} × ${shape.tokens} tokens, ${shape.heads} × ${shape.headDim}, ${shape.queries} queries, ${shape.parts} parts`, async () => {
      const { images, tokens, heads, headDim } = shape;
      const dim = heads * headDim;
      const rows = images * tokens;
      const qkv = random(rows * 3 * dim, 11, 1.5);
      // Scores that grow along the keys: the running maximum must move many times.
      for (let t = 0; t < rows; t++) for (let i = 0; i < dim; i++) qkv[t * 3 * dim + dim + i]! *= 1 + t / 8;
      const expected = new Float32Array(rows * dim);
      for (let image = 0; image < images; image++) {
        const own = qkv.subarray(image * tokens * 3 * dim, (image + 1) * tokens * 3 * dim);
        expected.set(scalarAttention(own, shape), image * tokens * dim);
      }
      await withDevice(async (device) => {
        const out = upload(device, new Float32Array(rows * dim));
        await dispatch(device, attentionKernel(shape), [upload(device, qkv), out], attentionWorkgroups(shape));
        expectClose(new Float32Array(await download(device, out, rows * dim * 4)), expected, 1e-4, 'attention');
      });
    });
  }
});

describe('top-k', () => {
  for (const [classes, k] of [
    [1, 1],
    [7, 5],
    [200, 5],
    [1000, 5],
  ] as const) {
    it(`${k} of ${classes}`, async () => {
      const logits = random(classes, 21, 3);
      if (classes > 6) logits[3] = logits[6] = 20; // a tie at the top: the lower index wins
      // A picture before it, whose best class is another one; rows are padded to 4.
      const both = new Float32Array(Math.ceil(classes / 4) * 4 + classes);
      both[classes - 1] = 30;
      both.set(logits, both.length - classes);
      const order = Array.from(logits.keys()).sort((a, b) => at(logits, b) - at(logits, a) || a - b);
      const total = logits.reduce((sum, v) => sum + Math.exp(v - at(logits, order[0] ?? 0)), 0);
      await withDevice(async (device) => {
        const out = upload(device, new Uint32Array(2 * k * 2));
        await dispatch(device, topKKernel({ classes, k }), [upload(device, both), out], 2);
        const all = await download(device, out, 2 * k * 8);
        expect(new Uint32Array(all)[0]).toBe(classes - 1);
        const bytes = all.slice(k * 8);
        const indices = new Uint32Array(bytes).filter((_, i) => i % 2 === 0);
        const probabilities = new Float32Array(bytes).filter((_, i) => i % 2 === 1);
        expect([...indices]).toEqual(order.slice(0, k));
        expectClose(
          probabilities,
          Float32Array.from(order.slice(0, k), (i) => Math.exp(at(logits, i) - at(logits, order[0] ?? 0)) / total),
          1e-5,
          'probability',
        );
      });
    });
  }
});
