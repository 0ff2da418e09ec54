/** The reference forward pass on tfjs' WebGPU backend: the same code, a third backend, both images in one batch. */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgpu';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { forward } from '../../../src/reference/vit';
import { WeightStore } from '../../../src/reference/weights';
import { expectClose } from '../../support/close';
import { openFixture } from '../../support/fixtures';

const CASES = [
  ['tiny', 'a'],
  ['tiny', 'a.1+b.2'],
  ['tiny', 'a.1+b.2~raw'],
  ['snnet-deit-tiny', 't1.1+t2.0'],
] as const;

beforeAll(async () => {
  expect(await tf.setBackend('webgpu')).toBe(true);
});
afterAll(() => {
  expect(tf.memory().numTensors).toBe(0);
  tf.removeBackend('webgpu');
});

test.each(CASES)('%s, %s', async (name, id) => {
  const fixture = await openFixture(name);
  const { manifest, batch } = fixture;
  const { size, classes } = { ...manifest.input, classes: manifest.classes };
  const weights = new WeightStore(manifest);
  await fixture.bundle.loadAll((spec, tensors) => weights.add(spec.units, tensors));
  const images = new Float32Array(batch * 3 * size * size);
  for (let image = 0; image < batch; image += 1) images.set(fixture.pixels(image), image * 3 * size * size);
  const pixels = tf.tensor4d(images, [batch, 3, size, size]);
  const before = tf.memory().numTensors;
  const logits = forward(
    manifest,
    weights,
    manifest.routes.find((route) => route.id === id)!,
    pixels,
  );
  expect(tf.memory().numTensors).toBe(before + 1);
  expect(logits.shape).toEqual([batch, classes]);
  const values = await logits.data<'float32'>();
  for (let image = 0; image < batch; image += 1) {
    const row = values.subarray(image * classes, (image + 1) * classes); // [B, C] -> [C]
    expectClose(row, fixture.expected(id, image, 'f16'), 1e-4, `${id}, image ${image}`);
  }
  tf.dispose([logits, pixels]);
  weights.dispose();
});
