/** The executor on tfjs' CPU backend. The umbrella package is not imported here: the executor must bring its backend itself. */
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { softmax } from '../../../src/core/topk';
import type { Executor } from '../../../src/engine/executor';
import { createReferenceExecutor } from '../../../src/reference/executor';
import { expectClose } from '../../support/close';
import { readFixture } from './node-fixture';

// tfjs' CPU backend takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const fixture = readFixture('tiny');
const { manifest } = fixture;
const { size, mean, std } = manifest.input;
const open: Executor[] = [];

async function start(load = true): Promise<Executor> {
  const executor = await createReferenceExecutor(manifest, 'cpu');
  open.push(executor);
  if (load) for (const { units, tensors } of fixture.shards) await executor.addUnits(units, tensors);
  return executor;
}

/** A frame of the network's size and what its normalised pixels are. */
function sampleFrame() {
  const data = new Uint8ClampedArray(size * size * 4).map((_, i) => (i * 73 + (i >> 7) * 31) % 256);
  const area = size * size;
  const pixels = Float32Array.from({ length: 3 * area }, (_, i) => {
    const channel = Math.floor(i / area);
    return (data[(i % area) * 4 + channel]! / 255 - mean[channel]!) / std[channel]!;
  });
  return { frame: { data, width: size, height: size }, pixels };
}

afterEach(() => {
  for (const executor of open.splice(0)) executor.dispose();
  expect(tf.memory().numTensors).toBe(0);
});

describe('reference executor', () => {
  test('logits are PyTorch’s', async () => {
    const executor = await start();
    await executor.prepare(manifest.routes);
    for (const id of ['a', 'a.1+b.2~raw']) {
      const logits = await executor.logits(id, fixture.pixels.slice(0, 3 * size * size));
      expectClose(logits, fixture.expected(id, 'f16').slice(0, manifest.classes), 1e-4, id);
    }
  });

  test('in pieces the logits are the same, and frames run between them', async () => {
    const executor = await start();
    const { frame, pixels } = sampleFrame();
    const whole = await executor.logits('b', pixels);
    let pauses = 0;
    const pieces = await executor.logitsInPieces('b', pixels, async () => {
      pauses += 1;
      await executor.run('a', frame);
    });
    expect(pieces).toEqual(whole);
    expect(pauses).toBe(manifest.anchors.find(({ id }) => id === 'b')?.config.depth);
  });

  test('given up between two pieces, it leaves nothing behind', async () => {
    const executor = await start();
    const { pixels } = sampleFrame();
    const before = executor.stats();
    const stop = () => Promise.reject(new Error('stop'));
    await expect(executor.logitsInPieces('b', pixels, stop)).rejects.toThrow('stop');
    expect(executor.stats()).toEqual(before);
  });

  test('run gives the five best of the same logits', async () => {
    const executor = await start();
    const { frame, pixels } = sampleFrame();
    const { top, timing } = await executor.run('b', frame);
    const shares = softmax(await executor.logits('b', pixels));
    const best = [...shares.keys()].sort((a, b) => shares[b]! - shares[a]!).slice(0, 5);
    expect(top.map(({ index }) => index)).toEqual(best);
    expectClose(
      top.map(({ probability }) => probability),
      best.map((index) => shares[index]!),
      1e-5,
      'probabilities',
    );
    expect(timing.totalMs).toBeGreaterThanOrEqual(timing.encodeMs);
    expect(timing.encodeMs).toBeGreaterThan(0);
  });

  test('after prepare, frames create nothing', async () => {
    const executor = await start();
    await executor.prepare(manifest.routes);
    const { frame } = sampleFrame();
    const before = executor.stats();
    for (let i = 0; i < 10; i += 1) await executor.run(manifest.routes[i % manifest.routes.length]!.id, frame);
    expect(executor.stats()).toEqual({ ...before, frames: before.frames + 10 });
    expect(before.weightBytes).toBeGreaterThan(0);
    expect(before.tf.backend).toBe('cpu');
  });

  test('routes run as soon as their own units are there', async () => {
    const executor = await start(false);
    for (const { units, tensors } of fixture.shards) {
      if (units.every((unit) => unit.startsWith('anchors.a.'))) await executor.addUnits(units, tensors);
    }
    const a = manifest.routes.filter(({ id }) => id === 'a');
    await executor.prepare(a);
    await expect(executor.prepare(manifest.routes)).rejects.toMatchObject({ code: 'internal' });
  });

  test('says what is wrong', async () => {
    const executor = await start();
    const { frame, pixels } = sampleFrame();
    await expect(executor.run('nowhere', frame)).rejects.toMatchObject({ code: 'route-unknown' });
    await expect(executor.logits('nowhere', pixels)).rejects.toMatchObject({ code: 'route-unknown' });
    await expect(executor.logits('a', pixels.slice(1))).rejects.toMatchObject({ code: 'argument-invalid' });
    await expect(executor.run('a', { ...frame, width: 0 })).rejects.toMatchObject({ code: 'frame-invalid' });
    await expect(executor.run('a', { ...frame, width: size + 1 })).rejects.toMatchObject({ code: 'frame-invalid' });
    executor.dispose();
    executor.dispose();
    await expect(executor.run('a', frame)).rejects.toMatchObject({ code: 'disposed' });
    await expect(executor.logits('a', pixels)).rejects.toMatchObject({ code: 'disposed' });
    await expect(executor.prepare([])).rejects.toMatchObject({ code: 'disposed' });
  });
});
