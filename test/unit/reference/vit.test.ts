/** The reference forward pass against PyTorch (timm), every route of the fixtures, on tfjs' CPU backend. */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { StitchError } from '../../../src/core/errors';
import { gelu, layerNorm } from '../../../src/reference/ops';
import { forward } from '../../../src/reference/vit';
import { WeightStore } from '../../../src/reference/weights';
import { expectClose, maxAbsError } from '../../support/close';
import { readFixture } from './node-fixture';

// tfjs' CPU backend takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

beforeAll(async () => {
  await tf.setBackend('cpu');
});

for (const [name, form] of [
  ['tiny', 'f16'],
  ['snnet-deit-tiny', 'f16'],
  ['tiny-int8', 'int8'],
] as const) {
  describe(name, () => {
    const fixture = readFixture(name);
    const { manifest, batch } = fixture;
    const { size } = manifest.input;
    const shape: [number, number, number, number] = [batch, 3, size, size];
    let weights: WeightStore;
    let pixels: tf.Tensor4D;
    const run = async (id: string, images: tf.Tensor4D) => {
      const logits = forward(
        manifest,
        weights,
        manifest.routes.find((route) => route.id === id)!,
        images,
      );
      const values = (await logits.data()) as Float32Array;
      logits.dispose();
      return values;
    };

    beforeAll(() => {
      weights = new WeightStore(manifest);
      for (const { units, tensors } of fixture.shards) weights.add(units, tensors);
      pixels = tf.tensor4d(fixture.pixels, shape);
    });
    afterAll(() => {
      weights.dispose();
      pixels.dispose();
      expect(tf.memory().numTensors).toBe(0);
    });

    test.each(manifest.routes)('$id', async ({ id }) => {
      const actual = await run(id, pixels);
      expectClose(actual, fixture.expected(id, form), 1e-4, `${id}, weights as rounded`);
      // Rounding the weights to f16 brings this distance in PyTorch too.
      if (form === 'f16') expectClose(actual, fixture.expected(id, 'f32'), 5e-3, `${id}, f32 originals`);
    });

    test('routes with and without the final norm are among them', () => {
      const stitched = manifest.routes.filter(({ path }) => path.length > 1);
      expect(stitched.some(({ finalNorm }) => !finalNorm)).toBe(true);
      expect(manifest.routes.some(({ finalNorm }) => finalNorm)).toBe(true);
    });

    test('the answers tell routes apart: another route’s logits fail', async () => {
      const [first, second] = manifest.routes;
      expect(maxAbsError(await run(first!.id, pixels), fixture.expected(second!.id, form))).toBeGreaterThan(0.05);
    });

    test('images of a batch do not see each other', async () => {
      const id = manifest.routes.at(-1)!.id;
      const second = tf.slice(pixels, [1, 0, 0, 0], [1, 3, size, size]);
      const alone = await run(id, second);
      second.dispose();
      const together = await run(id, pixels);
      expectClose(alone, together.slice(manifest.classes), 1e-5, id);
    });

    test('50 runs leave no tensor behind', async () => {
      const route = manifest.routes.find(({ path }) => path.length > 1)!;
      const before = tf.memory();
      const one = tf.slice(pixels, [0, 0, 0, 0], [1, 3, size, size]);
      for (let i = 0; i < 50; i += 1) forward(manifest, weights, route, one).dispose();
      one.dispose();
      expect(tf.memory().numTensors).toBe(before.numTensors);
      expect(tf.memory().numBytes).toBe(before.numBytes);
    });

    test('a failing run leaves no tensor behind either', () => {
      const before = tf.memory().numTensors;
      const empty = new WeightStore(manifest);
      expect(() => forward(manifest, empty, manifest.routes[0]!, pixels)).toThrow(/not loaded/);
      const wrong = tf.zeros<tf.Rank.R4>([1, 3, size, size + 1]);
      expect(() => forward(manifest, weights, manifest.routes[0]!, wrong)).toThrow(StitchError);
      wrong.dispose();
      expect(tf.memory().numTensors).toBe(before);
    });
  });
}

describe('parts', () => {
  test('layerNorm keeps its precision on a large common offset, where E[x²] - mean² would cancel', async () => {
    const row = [1, -1, 3, -3, 2, -2, 4, -4];
    const spread = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / row.length);
    const result = tf.tidy(() => {
      const norm = { gain: tf.ones<tf.Rank.R1>([8]), bias: tf.zeros<tf.Rank.R1>([8]) };
      return layerNorm(
        tf.tensor2d(
          row.map((v) => v + 4096),
          [1, 8],
        ),
        norm,
        1e-6,
      );
    });
    const expected = row.map((v) => v / spread);
    expectClose(await result.data(), expected, 1e-5, 'normalised');
    result.dispose();
  });

  test('gelu is the erf form, not the tanh one', async () => {
    const result = tf.tidy(() => gelu(tf.tensor2d([-3, -1, 0, 0.5, 2], [1, 5])));
    // x Φ(x), by a table of the normal distribution. The tanh form differs by 3e-4 at 2 and 2e-4 at -1... -3.
    expectClose(await result.data(), [-0.0040497, -0.1586553, 0, 0.3457312, 1.9544997], 2e-6, 'gelu');
    result.dispose();
  });
});
