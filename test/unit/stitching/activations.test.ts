/** The activations that a fit reads are those of the shipped forward pass. */
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Manifest } from '../../../src/bundle/manifest';
import { startBackend } from '../../../src/reference/backends';
import { forward } from '../../../src/reference/vit';
import { WeightStore } from '../../../src/reference/weights';
import { ActivationRunner } from '../../../src/stitching/activations';
import { expectError } from '../bundle/expect-error';
import { readFixture } from '../reference/node-fixture';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const fixture = readFixture('snnet-deit-tiny');
const { manifest } = fixture;
const tensors = new Map(fixture.shards.flatMap((shard) => [...shard.tensors]));
const { size } = manifest.input;
const pixels = fixture.pixels.slice(0, 2 * 3 * size * size);
const batch = { pixels, count: 2 };
const upTo = (block: number) => [{ id: 't0-t1.0', from: 't0', to: 't1', pairs: [{ front: block, back: 0 }] }];

beforeAll(() => startBackend('cpu'));
afterEach(() => expect(tf.memory().numTensors).toBe(0));

describe('ActivationRunner', () => {
  it('ends, block by block, in the very bits of the forward pass', async () => {
    const runner = new ActivationRunner(manifest, tensors, upTo(3));
    const { rows, tokens } = await runner.run(batch);
    runner.dispose();
    expect(rows).toBe(2 * 10);
    const last = tokens('t0', 3); // [B·N, D]
    const weights = new WeightStore(manifest);
    for (const { units, tensors: own } of fixture.shards) weights.add(units, own);
    // Without the final norm the logits are a plain product of the class tokens, so they show every bit of them.
    const route = { ...manifest.routes[0]!, finalNorm: false };
    const expected = tf.tidy(() => forward(manifest, weights, route, tf.tensor4d(pixels, [2, 3, size, size])).dataSync());
    const { fc } = weights.head('t0');
    const logits = tf.tidy(() => {
      const cls = tf.tensor2d([...last.subarray(0, 16), ...last.subarray(160, 176)], [2, 16]);
      return tf.fused.matMul({ a: cls, b: fc.weight, bias: fc.bias }).dataSync();
    });
    weights.dispose();
    expect([...logits]).toEqual([...expected]);
  });

  it('gives the embedding with class token and positions, and only what was asked for', async () => {
    const runner = new ActivationRunner(manifest, tensors, upTo(0));
    const { tokens } = await runner.run(batch);
    runner.dispose();
    const store = new WeightStore(manifest);
    store.add(['anchors.t1.embed'], tensors);
    const cls = store.embed('t1').cls.dataSync().slice(); // class token plus its position, [1, D]
    store.dispose();
    expect([...tokens('t1', -1).subarray(0, 32)]).toEqual([...cls]);
    await expectError(() => tokens('t0', 2), 'internal', 't0 block 2');
  });

  it('refuses blocks, anchors and pixels that are not there', async () => {
    await expectError(() => new ActivationRunner(manifest, tensors, upTo(4)), 'argument-invalid', '0…3, not 4');
    const other: Manifest = { ...manifest, anchors: manifest.anchors.slice(1) };
    await expectError(() => new ActivationRunner(other, tensors, upTo(0)), 'argument-invalid', '"t0"');
    const runner = new ActivationRunner(manifest, tensors, upTo(0));
    await expectError(() => runner.run({ pixels, count: 3 }), 'argument-invalid', '3 × 3 × 48 × 48');
    runner.dispose();
  });
});
