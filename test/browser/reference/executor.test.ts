/** The reference executor in the browser: tfjs' WASM backend against PyTorch, frames, a worker. */
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Executor } from '../../../src/engine/executor';
import { createReferenceExecutor } from '../../../src/reference/executor';
import { expectClose } from '../../support/close';
import { fill, type Fixture, openFixture } from '../../support/fixtures';

const ROUTES = {
  tiny: ['a', 'a.1+b.2', 'a.1+b.2~raw', 'b'],
  'snnet-deit-tiny': ['t0', 't0.1+t1.2', 't1.1+t2.0', 't2'],
} as const;

for (const name of ['tiny', 'snnet-deit-tiny'] as const) {
  describe(`WASM, ${name}`, () => {
    let fixture: Fixture;
    let executor: Executor;
    beforeAll(async () => {
      fixture = await openFixture(name);
      executor = await createReferenceExecutor(fixture.manifest, 'wasm');
      await fill(executor, fixture);
    });
    afterAll(() => {
      executor.dispose();
      expect(tf.memory().numTensors).toBe(0);
    });

    test.each(ROUTES[name])('%s', async (id) => {
      expect(tf.getBackend()).toBe('wasm');
      for (let image = 0; image < fixture.batch; image += 1) {
        expectClose(await executor.logits(id, fixture.pixels(image)), fixture.expected(id, image, 'f16'), 1e-4, id);
      }
    });

    test('50 frames of changing routes leave no tensor behind', async () => {
      const bitmap = await createImageBitmap(new ImageData(64, 48));
      const { tf: before } = executor.stats();
      for (let i = 0; i < 50; i += 1)
        await executor.run(fixture.manifest.routes[i % fixture.manifest.routes.length]!.id, bitmap);
      bitmap.close();
      expect(executor.stats().tf).toEqual(before);
    });
  });
}

describe('frames', () => {
  let executor: Executor;
  const width = 75;
  const height = 50;
  const picture = new ImageData(width, height);
  for (let i = 0; i < width * height; i += 1) {
    const [x, y] = [i % width, Math.floor(i / width)];
    picture.data.set([x * 3, y * 5, (x * y) % 256, 255], i * 4);
  }
  const pixels = { data: picture.data, width, height };
  beforeAll(async () => {
    const fixture = await openFixture('tiny');
    executor = await createReferenceExecutor(fixture.manifest, 'wasm');
    await fill(executor, fixture);
  });
  afterAll(() => executor.dispose());

  test('bitmaps and pixels give the same answer, and the bitmap stays open', async () => {
    const bitmap = await createImageBitmap(picture);
    const { top: fromPixels } = await executor.run('a', pixels);
    const { top: fromBitmap } = await executor.run('a', bitmap);
    expect(fromBitmap).toEqual(fromPixels);
    expect(bitmap.width).toBe(width);
    bitmap.close();
  });

  test('video frames give nearly the same answer: an opaque RGBA frame goes through no colour subsampling', async () => {
    const frame = new VideoFrame(picture.data, { format: 'RGBA', codedWidth: width, codedHeight: height, timestamp: 0 });
    const { top: fromVideo } = await executor.run('a', frame);
    const { top: fromPixels } = await executor.run('a', pixels);
    frame.close();
    expect(fromVideo.map(({ index }) => index)).toEqual(fromPixels.map(({ index }) => index));
    expectClose(
      fromVideo.map(({ probability }) => probability),
      fromPixels.map(({ probability }) => probability),
      0.02,
      'probabilities',
    );
  });

  test('closed frames are frame-invalid', async () => {
    const bitmap = await createImageBitmap(picture);
    bitmap.close();
    await expect(executor.run('a', bitmap)).rejects.toMatchObject({ code: 'frame-invalid' });
    const frame = new VideoFrame(picture.data, { format: 'RGBA', codedWidth: width, codedHeight: height, timestamp: 0 });
    frame.close();
    await expect(executor.run('a', frame)).rejects.toMatchObject({ code: 'frame-invalid' });
  });

  test('a frame above 4096 a side is shrunk by the browser first', async () => {
    const canvas = new OffscreenCanvas(4200, 30);
    const context = canvas.getContext('2d')!;
    context.fillStyle = 'rgb(200 40 90)';
    context.fillRect(0, 0, 4200, 30);
    const bitmap = canvas.transferToImageBitmap();
    const { top } = await executor.run('a', bitmap);
    bitmap.close();
    const flat = { data: new Uint8Array(32 * 32 * 4).map((_, i) => [200, 40, 90, 255][i % 4]!), width: 32, height: 32 };
    expect(top[0]).toEqual((await executor.run('a', flat)).top[0]);
  });
});

test('only the single-threaded SIMD binary is fetched', () => {
  const fetched = performance.getEntriesByType('resource').flatMap(({ name }) => /[\w-]+\.wasm$/.exec(name)?.[0] ?? []);
  expect([...new Set(fetched)]).toEqual(['tfjs-backend-wasm-simd.wasm']);
});

test('runs in a module worker', async () => {
  const worker = new Worker(new URL('reference.worker.ts', import.meta.url), { type: 'module' });
  const reply = await new Promise<{ logits?: Float32Array; answers?: number; error?: string }>((resolve, reject) => {
    worker.addEventListener('message', ({ data }) => resolve(data as { logits?: Float32Array; error?: string }));
    worker.addEventListener('error', ({ message }) => reject(new Error(message)));
    worker.postMessage('a.1+b.2');
  });
  worker.terminate();
  expect(reply.error).toBeUndefined();
  expect(reply.answers).toBe(5);
  const fixture = await openFixture('tiny');
  expectClose(reply.logits!, fixture.expected('a.1+b.2', 0, 'f16'), 1e-4, 'worker');
});
