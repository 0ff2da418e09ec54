import { describe, expect, it } from 'vitest';
import { f16ToF32, f32ToF16 } from '../../../src/bundle/safetensors';
import { dequantizeRows } from '../../../src/model/int8';
import { randomFamily } from '../../bench/lib/random-family';
import { flatWeights, modelOf, transposed } from '../../bench/peers/model';

/** Equality of a million numbers without vitest's walk over each. */
const sameNumbers = (a: Float32Array | undefined, b: Float32Array | undefined): boolean =>
  a !== undefined && b !== undefined && a.length === b.length && a.every((value, i) => value === b[i]);

const both = randomFamily(['w96', 'w128']);
const small = randomFamily(['w96']);

describe('randomFamily', () => {
  it('has the routes of a stitched family and every tensor in f16', () => {
    const family = both;
    expect(family.routes).toHaveLength(2 + 34);
    expect(family.stitches).toHaveLength(11);
    for (const [name, { data }] of family.tensors) {
      expect(data.length, name).toBeGreaterThan(0);
      expect(sameNumbers(f16ToF32(f32ToF16(data)), data), name).toBe(true);
    }
  });

  it('is the same for the same seed, whatever else is in the family', () => {
    const name = 'anchors.w96.blocks.3.fc1.weight';
    const of = (family: ReturnType<typeof randomFamily>) => family.tensors.get(name)?.data;
    expect(sameNumbers(of(both), of(small))).toBe(true);
    expect(sameNumbers(of(randomFamily(['w96'], 8)), of(small))).toBe(false);
  });

  it('spreads weights by the width of their layer, gains around 1', () => {
    const { tensors } = small;
    const statistics = (name: string) => {
      const data = [...(tensors.get(name)?.data ?? [])];
      const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
      return { mean, spread: Math.sqrt(data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length) };
    };
    // 36864 and 96 values: three standard errors are 1.1 % and 22 % of the spread.
    expect(statistics('anchors.w96.blocks.0.fc2.weight').spread * Math.sqrt(384)).toBeCloseTo(1, 1);
    expect(Math.abs(statistics('anchors.w96.blocks.0.norm1.weight').mean - 1)).toBeLessThan(0.04);
  });

  it('holds in int8 what is exactly the products of the int8 weights', () => {
    const { tensors } = randomFamily(['w96'], 7, 'int8');
    const matrix = tensors.get('anchors.w96.blocks.0.qkv.weight');
    expect(matrix?.int8).toBeDefined();
    expect(sameNumbers(matrix?.data, dequantizeRows(matrix!.int8!))).toBe(true);
    expect(sameNumbers(matrix?.data, small.tensors.get('anchors.w96.blocks.0.qkv.weight')?.data)).toBe(false);
    expect(tensors.get('anchors.w96.blocks.0.qkv.bias')?.int8).toBeUndefined();
  });
});

describe('the peers’ model', () => {
  it('lays every tensor into the flat file where its entry says', () => {
    const model = modelOf(small);
    const flat = flatWeights(model);
    expect(model.tensors.map(({ name }) => name)).toContain('blocks.11.fc2.bias');
    for (const { name, offset, count } of model.tensors) {
      expect(sameNumbers(flat.subarray(offset, offset + count), model.get(name).data), name).toBe(true);
    }
    expect(flat).toHaveLength(model.tensors.reduce((sum, { count }) => sum + count, 0));
  });

  it('refuses a family of two anchors', () => {
    expect(() => modelOf(both)).toThrow('one anchor');
  });

  it('transposes', () => {
    const turned = transposed({ shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) });
    expect(turned).toEqual({ shape: [3, 2], data: Float32Array.of(1, 4, 2, 5, 3, 6) });
  });
});
