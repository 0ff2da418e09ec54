/** How weights lie on the GPU, and how many bytes families take there. */
import { describe, expect, it } from 'vitest';
import type { AnchorSpec, Manifest } from '../../../src/bundle/manifest';
import { f16ToF32, f32ToF16 } from '../../../src/bundle/safetensors';
import { layoutOf, packUnit } from '../../../src/gpu/layout';
import { quantizeRows, scaleName } from '../../../src/model/int8';
import type { StoredTensor } from '../../../src/model/stored';
import { enumerateRoutes } from '../../../src/model/stitching';
import type { TensorSpec } from '../../../src/model/units';
import { gpuBytes } from '../../bench/lib/gpu-bytes';
import { readFixture } from '../reference/node-fixture';
import { normals } from '../stitching/random';

const matrix: TensorSpec = { name: 'm.weight', shape: [13, 2, 6], matrix: true };
const vector: TensorSpec = { name: 'v', shape: [9], matrix: false };

describe('layoutOf', () => {
  it('pads columns to 8 and starts every tensor on 256 bytes', () => {
    const f16 = layoutOf([matrix, vector], () => false);
    expect(f16.ranges).toEqual([
      { name: 'm.weight', offset: 0, bytes: 16 * 12 * 2 },
      { name: 'v', offset: 512, bytes: 16 * 2 },
    ]);
    expect(f16.bytes).toBe(768);
    const int8 = layoutOf([matrix, vector], () => true);
    expect(int8.ranges).toEqual([
      { name: 'm.weight', offset: 0, bytes: 16 * 12 },
      { name: 'm.weight.scale', offset: 256, bytes: 16 * 4 },
      { name: 'v', offset: 512, bytes: 16 * 2 },
    ]);
  });
});

/** What a generator returns, with no pause at its stops. */
function drain<T>(pieces: Generator<undefined, T>): T {
  let piece = pieces.next();
  while (piece.done !== true) piece = pieces.next();
  return piece.value;
}

describe('packUnit', () => {
  const data = Float32Array.from(normals(13 * 12, 5));
  const rows = quantizeRows('m', data, 13);
  const half = f32ToF16(Float32Array.from(normals(9, 6)));
  const bytesOf = (values: Uint16Array<ArrayBuffer> | Int8Array<ArrayBuffer>) => new Uint8Array(values.buffer);
  const bias: StoredTensor = { ...vector, view: { dtype: 'F16', shape: vector.shape, data: bytesOf(half) } };
  const int8: StoredTensor = {
    ...matrix,
    view: { dtype: 'I8', shape: matrix.shape, data: bytesOf(rows.values) },
    int8: rows,
  };
  const f16: StoredTensor = {
    ...matrix,
    view: { dtype: 'F16', shape: matrix.shape, data: bytesOf(f32ToF16(data)) },
  };

  it('puts int8 K-major beside f32 scales, f16 vectors behind them, zeros between', () => {
    const { layout, packed } = drain(packUnit([int8, bias]));
    expect(packed.byteLength).toBe(layout.bytes);
    const values = new Int8Array(packed, 0, 16 * 12);
    for (let k = 0; k < 12; k += 1) {
      for (let n = 0; n < 16; n += 1) expect(values[k * 16 + n]).toBe(n < 13 ? rows.values[n * 12 + k] : 0);
    }
    const [, scale, last] = layout.ranges;
    expect(scale!.name).toBe(scaleName('m.weight'));
    expect([...new Float32Array(packed, scale!.offset, 16)]).toEqual([...rows.scale, 0, 0, 0]);
    expect([...new Uint16Array(packed, last!.offset, 16)]).toEqual([...half, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('puts f16 K-major too', () => {
    const { packed } = drain(packUnit([f16, bias]));
    const values = f16ToF32(new Uint16Array(packed, 0, 16 * 12));
    expect(values[5 * 16 + 7]).toBeCloseTo(data[7 * 12 + 5]!, 2);
    expect(values[5 * 16 + 13]).toBe(0);
  });
});

describe('bytes on the GPU', () => {
  const anchors = [
    ['ti', 192, 3],
    ['s', 384, 6],
    ['b', 768, 12],
  ].map(([id, dim, heads]): AnchorSpec => {
    const width = Number(dim);
    return {
      id: String(id),
      name: String(id),
      config: { dim: width, depth: 12, heads: Number(heads), mlp: 4 * width, patch: 16, eps: 1e-6 },
    };
  });
  const space = enumerateRoutes(
    anchors.map(({ id }) => ({ id, depth: 12 })),
    { kernel: 2, stride: 1 },
  );
  const deit = { ...readFixture('tiny').manifest, input: { ...readFixture('tiny').manifest.input, size: 224 }, classes: 1000 };
  const family: Manifest = { ...deit, anchors, stitches: space.stitches };

  it('of DeiT-Ti, S and B with 22 stitches stay below 245 MB in f16 and 130 MB in int8', () => {
    expect(space.stitches).toHaveLength(22);
    const [f16, int8] = [gpuBytes(family, false), gpuBytes(family, true)];
    // Vectors and scales are what int8 does not halve.
    expect(f16).toEqual({ weights: 236_818_432, activations: 7_228_384 });
    expect(int8).toEqual({ weights: 119_559_424, activations: 7_228_384 });
    expect(f16.weights + f16.activations).toBeLessThanOrEqual(245e6);
    expect(int8.weights + int8.activations).toBeLessThanOrEqual(130e6);
  });
});
