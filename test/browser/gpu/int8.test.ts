/** A whole bundle with int8 matrices on WebGPU, against PyTorch; mixed with f16; and what it takes in bytes and pipelines. */
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tensors } from '../../../src/bundle/safetensors';
import { createGpuExecutor, type GpuExecutor } from '../../../src/gpu/executor';
import { layoutOf } from '../../../src/gpu/layout';
import { scaleName } from '../../../src/model/int8';
import { tensorsOf } from '../../../src/model/units';
import type { Executor } from '../../../src/engine/executor';
import { createReferenceExecutor } from '../../../src/reference/executor';
import { expectClose, maxAbsError } from '../../support/close';
import { fill, type Fixture, openFixture, TINY_PIPELINES } from '../../support/fixtures';

let f16: Fixture;
let int8: Fixture;
beforeAll(async () => {
  f16 = await openFixture('tiny');
  int8 = await openFixture('tiny-int8');
});

/** Logits of the first image on every route, from the reference executor. */
async function referenceLogits(load: (executor: Executor) => Promise<void>): Promise<ReadonlyMap<string, Float32Array>> {
  const reference = await createReferenceExecutor(int8.manifest, 'cpu');
  try {
    await load(reference);
    const logits = new Map<string, Float32Array>();
    for (const { id } of int8.manifest.routes) logits.set(id, await reference.logits(id, int8.pixels(0)));
    return logits;
  } finally {
    reference.dispose();
    if (tf.findBackend('webgpu') !== null) await tf.setBackend('webgpu');
  }
}

async function unitTensors(fixture: Fixture): Promise<Map<string, Tensors>> {
  const units = new Map<string, Tensors>();
  await fixture.bundle.loadAll((spec, tensors) => {
    for (const unit of spec.units) units.set(unit, tensors);
  });
  return units;
}

describe('int8 matrices', () => {
  let gpu: GpuExecutor;
  beforeAll(async () => {
    gpu = await createGpuExecutor({ ...int8.manifest, quantization: { weights: 'int8', images: 0, routes: [] } });
    await fill(gpu, int8);
  });
  afterAll(() => gpu.dispose());

  it('every route gives the logits of PyTorch on the same weights, which are not those of f16', async () => {
    let moved = 0;
    for (const { id } of int8.manifest.routes) {
      for (let image = 0; image < int8.batch; image++) {
        const logits = await gpu.logits(id, int8.pixels(image));
        expectClose(logits, int8.expected(id, image, 'int8'), 1e-4, id);
        moved = Math.max(moved, maxAbsError(logits, f16.expected(id, image, 'f16')));
      }
    }
    expect(moved).toBeGreaterThan(0.02);
  });

  it('every route gives the logits of the reference executor', async () => {
    for (const [id, logits] of await referenceLogits((executor) => fill(executor, int8))) {
      expectClose(await gpu.logits(id, int8.pixels(0)), logits, 1e-4, id);
    }
  });

  it('stay int8 on the device: as many bytes as the layout says, matrices half of f16', async () => {
    const bytesOf = (isInt8: boolean, matrices: boolean) =>
      int8.manifest.shards
        .flatMap(({ units }) => units)
        .flatMap((unit) => {
          const specs = tensorsOf(int8.manifest, unit);
          const names = new Set(specs.filter(({ matrix }) => matrix).map(({ name }) => name));
          const { ranges, bytes } = layoutOf(specs, () => isInt8);
          return matrices ? ranges.filter(({ name }) => names.has(name)).map((range) => range.bytes) : [bytes];
        })
        .reduce((sum, bytes) => sum + bytes, 0);
    expect(bytesOf(true, true)).toBe(bytesOf(false, true) / 2);
    const { weightBytes, tf: memory } = gpu.stats();
    expect(weightBytes).toBe(bytesOf(true, false));
    expect(memory.numBytes).toBe(weightBytes);
    // The words on the device are the values of the shard, K-major, and its scales.
    const name = 'anchors.b.blocks.1.fc1.weight';
    const tensors = (await unitTensors(int8)).get('anchors.b.blocks.1')!;
    const { data, shape } = tensors.get(name)!;
    const [n = 0, k = 0] = shape;
    const { tensor, offset } = gpu.weight(name);
    const words = await tensor.data<'int32'>();
    const held = new Int8Array(words.buffer, words.byteOffset + offset, n * k);
    expect(held[7 * n + 30]).toBe(new Int8Array(data)[30 * k + 7]);
    const scales = new Float32Array(words.buffer, words.byteOffset + gpu.weight(scaleName(name)).offset, n);
    expect([...scales]).toEqual([...new Float32Array(tensors.get(scaleName(name))!.data.slice().buffer)]);
  });

  it('take as many pipelines as f16 does', () => expect(gpu.stats().pipelines).toBe(TINY_PIPELINES));
});

it('int8 and f16 mix, tensor by tensor', async () => {
  const [halves, bytes] = [await unitTensors(f16), await unitTensors(int8)];
  // Anchor a and the stitches in int8, b in f16 but for one matrix of one block.
  const odd = 'anchors.b.blocks.1';
  const mixed = new Map(halves.get(odd));
  for (const name of [`${odd}.fc1.weight`, scaleName(`${odd}.fc1.weight`)]) mixed.set(name, bytes.get(odd)!.get(name)!);
  const load = async (executor: Executor) => {
    for (const unit of halves.keys()) {
      const whole = unit.startsWith('anchors.b.') ? halves : bytes;
      await executor.addUnits([unit], unit === odd ? mixed : whole.get(unit)!);
    }
    await executor.prepare(f16.manifest.routes);
  };
  const expected = await referenceLogits(load);
  expectClose(expected.get('a')!, int8.expected('a', 0, 'int8'), 1e-4, 'a, all int8');
  const gpu = await createGpuExecutor(f16.manifest);
  try {
    await load(gpu);
    for (const [id, logits] of expected) expectClose(await gpu.logits(id, f16.pixels(0)), logits, 1e-4, id);
    // All in f16, as this manifest lets expect; in int8 embed, qkv, projection and fc2, fc1, head and stitch.
    expect(gpu.stats().pipelines).toBe(TINY_PIPELINES + 6);
  } finally {
    gpu.dispose();
  }
});
