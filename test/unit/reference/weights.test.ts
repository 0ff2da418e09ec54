import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import type { TensorView } from '../../../src/bundle/safetensors';
import { StitchError } from '../../../src/core/errors';
import { WeightStore } from '../../../src/reference/weights';
import { expectClose } from '../../support/close';
import { readFixture } from './node-fixture';

const { manifest, shards } = readFixture('tiny');
const embed = shards.find(({ units }) => units.includes('anchors.a.embed'))!;

beforeAll(async () => {
  await tf.setBackend('cpu');
});

/** The embed shard of anchor a with one tensor replaced or, without `view`, removed. */
function changed(name: string, view?: Partial<TensorView>): ReadonlyMap<string, TensorView> {
  const tensors = new Map(embed.tensors);
  const old = tensors.get(name)!;
  if (view) tensors.set(name, { ...old, ...view });
  else tensors.delete(name);
  return tensors;
}

describe('WeightStore', () => {
  test('holds every unit once, in f32, and frees all of it', () => {
    const before = tf.memory().numTensors;
    const store = new WeightStore(manifest);
    for (let round = 0; round < 2; round += 1) for (const { units, tensors } of shards) store.add(units, tensors);
    const elements = shards.flatMap(({ tensors }) => [...tensors.values()]).reduce((sum, { data }) => sum + data.length / 2, 0);
    // The class token is kept added to its position.
    const folded = manifest.anchors.reduce((sum, { config }) => sum + config.dim, 0);
    expect(store.bytes).toBe((elements - folded) * 4);
    expect(store.has('anchors.b.head')).toBe(true);
    store.dispose();
    expect(store.bytes).toBe(0);
    expect(store.has('anchors.b.head')).toBe(false);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('frees what it made of a unit when it is ended half-way', () => {
    const before = tf.memory().numTensors;
    const store = new WeightStore(manifest);
    const { tensors } = shards.find(({ units }) => units.includes('anchors.a.blocks.0'))!;
    const pieces = store.addInPieces('anchors.a.blocks.0', tensors);
    pieces.next();
    pieces.next();
    expect(tf.memory().numTensors).toBeGreaterThan(before);
    pieces.return();
    expect(tf.memory().numTensors).toBe(before);
    expect(store.has('anchors.a.blocks.0')).toBe(false);
    expect(store.bytes).toBe(0);
  });

  test('keeps linear layers as [in, out]', async () => {
    const store = new WeightStore(manifest);
    for (const { units, tensors } of shards) store.add(units, tensors);
    const { fc1 } = store.block('a', 0);
    expect(fc1.weight.shape).toEqual([32, 128]);
    const raw = shards.flatMap(({ tensors }) => tensors.get('anchors.a.blocks.0.fc1.weight') ?? []);
    const half = new DataView(raw[0]!.data.buffer, raw[0]!.data.byteOffset);
    // Element [out 5, in 3] of the file is [in 3, out 5] here; compare the sign and size of that one f16.
    const bits = half.getUint16((5 * 32 + 3) * 2, true);
    const value = (bits & 0x8000 ? -1 : 1) * 2 ** (((bits >> 10) & 31) - 15) * (1 + (bits & 1023) / 1024);
    expectClose([((await fc1.weight.array()) as number[][])[3]![5]!], [value], 0, 'fc1 [3, 5]');
    store.dispose();
  });

  test('reads F32 and BF16 as well', async () => {
    const store = new WeightStore(manifest);
    const values = new Float32Array(32).map((_, i) => i - 7);
    const bf16 = new Uint16Array(values.buffer).filter((_, i) => i % 2 === 1);
    const wide = changed('anchors.a.embed.proj.bias', { dtype: 'F32', data: new Uint8Array(values.buffer) });
    const tensors = new Map(wide);
    tensors.set('anchors.a.embed.cls', { dtype: 'BF16', shape: [32], data: new Uint8Array(bf16.buffer) });
    tensors.set('anchors.a.embed.pos', { dtype: 'F32', shape: [17, 32], data: new Uint8Array(17 * 32 * 4) });
    store.add(['anchors.a.embed'], tensors);
    expectClose(await store.embed('a').proj.bias.data(), values, 0, 'F32');
    expectClose(await store.embed('a').cls.data(), values, 0, 'BF16');
    store.dispose();
  });

  test.each([
    ['a missing tensor', 'anchors.a.embed.pos', undefined, /anchors\.a\.embed\.pos: .*found nothing/],
    ['a wrong shape', 'anchors.a.embed.cls', { shape: [1, 32] }, /expected F16 or BF16 or F32 \[32\], found F16 \[1, 32\]/],
    ['a wrong dtype', 'anchors.a.embed.cls', { dtype: 'I64' as const }, /found I64 \[32\]/],
    ['a vector in int8', 'anchors.a.embed.cls', { dtype: 'I8' as const }, /found I8 \[32\]/],
    ['an int8 matrix without scales', 'anchors.a.embed.proj.weight', { dtype: 'I8' as const }, /scale: expected F32 \[32\]/],
  ])('%s is bundle-invalid and leaves nothing behind', (_what, name, view, message) => {
    const before = tf.memory().numTensors;
    const store = new WeightStore(manifest);
    const add = () => store.add(['anchors.a.embed'], changed(name, view));
    expect(add).toThrow(StitchError);
    expect(add).toThrow(message);
    expect(tf.memory().numTensors).toBe(before);
    expect(store.has('anchors.a.embed')).toBe(false);
  });

  test('unknown units are refused', () => {
    const store = new WeightStore(manifest);
    for (const unit of ['anchors.z.embed', 'anchors.a.blocks.99', 'anchors.a.tail', 'stitches.a-z.0', 'x']) {
      expect(() => store.add([unit], embed.tensors)).toThrow(/is none of this bundle/);
    }
  });
});
