/** Every route of every fixture bundle on WebGPU, against PyTorch; and what a frame may cost. */
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { f16ToF32 } from '../../../src/bundle/safetensors';
import { createGpuExecutor, type GpuExecutor } from '../../../src/gpu/executor';
import { createReferenceExecutor } from '../../../src/reference/executor';
import { createResampler } from '../../../src/input/resample';
import { expectClose } from '../../support/close';
import { fill, type Fixture, FIXTURES, openFixture, TINY_PIPELINES } from '../../support/fixtures';
import { random } from '../../support/gpu';

for (const name of FIXTURES) {
  describe(`bundle ${name}`, () => {
    let fixture: Fixture;
    let gpu: GpuExecutor;
    beforeAll(async () => {
      fixture = await openFixture(name);
      gpu = await createGpuExecutor(fixture.manifest);
      await fill(gpu, fixture);
    });
    afterAll(() => gpu.dispose());

    it('every route gives the logits of PyTorch', async () => {
      for (const { id } of fixture.manifest.routes) {
        for (let image = 0; image < fixture.batch; image++) {
          const logits = await gpu.logits(id, fixture.pixels(image));
          expectClose(logits, fixture.expected(id, image, 'f16'), 1e-4, `${id}, f16-rounded weights`);
          expectClose(logits, fixture.expected(id, image, 'f32'), 5e-3, `${id}, f32 originals`);
        }
      }
    });

    it('every route gives the logits of the reference executor', async () => {
      const reference = await createReferenceExecutor(fixture.manifest, 'cpu');
      try {
        await fill(reference, fixture);
        for (const { id } of fixture.manifest.routes) {
          const expected = await reference.logits(id, fixture.pixels(0));
          expectClose(await gpu.logits(id, fixture.pixels(0)), expected, 1e-4, id);
        }
      } finally {
        reference.dispose();
        await tf.setBackend('webgpu');
      }
    });

    it('spends 5 dispatches a block + 2, one a stitch, two for input and top-k', () => {
      const stats = gpu.stats();
      for (const route of fixture.manifest.routes) {
        const blocks = route.path.reduce((sum, s) => sum + ('stitch' in s ? 0 : s.to - s.from + 1), 0);
        const counted = stats.dispatches.find((d) => d.route === route.id);
        expect(counted).toEqual({
          route: route.id,
          network: 5 * blocks + 2,
          stitches: route.path.length === 1 ? 0 : 1,
          inputOutput: 2,
        });
      }
    });

    if (name === 'tiny') it('compiles every kernel once', () => expect(gpu.stats().pipelines).toBe(TINY_PIPELINES));

    it('creates nothing while frames and routes change, and submits once a frame', async () => {
      const { size } = fixture.manifest.input;
      const frame = { data: new Uint8ClampedArray(size * size * 16).fill(99), width: size * 2, height: size * 2 };
      await gpu.run(fixture.manifest.routes[0]?.id ?? '', frame);
      const before = gpu.stats();
      for (const { id } of fixture.manifest.routes) await gpu.run(id, frame);
      const after = gpu.stats();
      const { pipelines, bindGroups, buffers, tf: memory } = before;
      expect(after).toMatchObject({ pipelines, bindGroups, buffers, tf: memory });
      expect(after.submits - before.submits).toBe(fixture.manifest.routes.length);
    });

    it('keeps every weight as an int32 tensor of the webgpu backend, readable and usable by tfjs', async () => {
      expect(tf.getBackend()).toBe('webgpu');
      const { weightBytes, tf: memory } = gpu.stats();
      expect(memory.numBytes).toBe(weightBytes);
      // The bytes of an embed unit come back from its tensor: cls is packed f16 at a 256-byte boundary.
      const anchor = fixture.manifest.anchors[0]?.id ?? '';
      const cls = gpu.weight(`anchors.${anchor}.embed.cls`);
      const words = await cls.tensor.data<'int32'>();
      const dim = fixture.manifest.anchors[0]?.config.dim ?? 0;
      const halves = new Uint16Array(words.buffer, words.byteOffset + cls.offset, dim);
      const shards = new Map<string, Float32Array>();
      await fixture.bundle.loadAll((_, tensors) => {
        const view = tensors.get(`anchors.${anchor}.embed.cls`);
        if (view) shards.set('cls', f16ToF32(new Uint16Array(view.data.slice().buffer)));
      });
      expect([...f16ToF32(halves)]).toEqual([...(shards.get('cls') ?? [])]);
      const sum = tf.tidy(() => tf.add(cls.tensor, tf.scalar(1, 'int32')));
      // tfjs' WebGPU add goes through f32, also for int32.
      expect([...(await sum.data())].slice(0, 64)).toEqual([...words].slice(0, 64).map((w) => Math.fround(Math.fround(w) + 1)));
      sum.dispose();
    });
  });
}

describe('input kernel', () => {
  it('resamples, crops and normalises as the CPU path does', async () => {
    const fixture = await openFixture('tiny');
    for (const filter of ['bilinear', 'bicubic'] as const) {
      const input = { ...fixture.manifest.input, filter, crop: 0.875 };
      const gpu = await createGpuExecutor({ ...fixture.manifest, input });
      try {
        await fill(gpu, fixture);
        const resample = createResampler(input);
        const route = fixture.manifest.routes[0]?.id ?? '';
        for (const [width, height] of [
          [32, 32],
          [131, 67],
          [20, 45],
          [640, 360],
        ] as const) {
          const data = Uint8ClampedArray.from(random(width * height * 4, width, 60), (v) => v + 128);
          const frame = { data, width, height };
          const logits = await gpu.logits(route, resample(frame));
          const top = Math.max(...logits);
          const total = logits.reduce((sum, v) => sum + Math.exp(v - top), 0);
          const answer = await gpu.run(route, frame);
          expect(answer.top[0]?.index).toBe(logits.indexOf(top));
          expect(answer.top[0]?.probability).toBeCloseTo(1 / total, 4);
        }
      } finally {
        gpu.dispose();
      }
    }
  });
});
