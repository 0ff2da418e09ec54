/** How the kernels' work is shared out, by what a device can do. */
import { describe, expect, it } from 'vitest';
import { attentionMemory } from '../../../src/gpu/kernels/attention';
import { inputWorkgroups } from '../../../src/gpu/kernels/input';
import { attentionFor } from '../../../src/gpu/tune';

const GPU = { tiles: true, manyRows: false, halves: 'native', subgroups: true } as const;
const SOFTWARE = { tiles: false, manyRows: true, halves: 'unpacked', subgroups: false } as const;
const PLAIN = { tiles: false, manyRows: false, halves: 'unpacked', subgroups: false } as const;
const small = { images: 1, tokens: 197, heads: 3, headDim: 64 };

describe('attention', () => {
  it('is split where its rows are too few for a GPU, and one part takes the memory that every device has', () => {
    const sharing = attentionFor(small, GPU);
    expect(sharing).toEqual({ queries: 1, parts: 4 });
    expect(attentionMemory({ ...small, ...sharing })).toBeLessThanOrEqual(16_384);
    expect(attentionFor({ ...small, images: 8, heads: 12 }, GPU).parts).toBe(1);
    expect(attentionFor({ ...small, headDim: 96 }, GPU).parts).toBe(1);
  });

  it('is never split by plain kernels, nor where registers are memory', () => {
    expect(attentionFor(small, PLAIN)).toEqual({ queries: 1, parts: 1 });
    expect(attentionFor(small, SOFTWARE)).toEqual({ queries: 5, parts: 1 });
  });
});

describe('the input', () => {
  it.each([64, 224, 2032, 2048])('of %d pixels takes no more workgroups than every device does', (size) => {
    expect(inputWorkgroups(size)).toBeLessThanOrEqual(65_535);
  });
});
