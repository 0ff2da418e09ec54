/** Many photos at once, on the executor that batches and on one that does not. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createRuntime, type FrameSource, type PhotoAnswer, type Runtime, StitchError } from '../../../src/index';
import { noise } from '../../support/noise';
import { admit } from './patient';

const BUNDLE = new URL('../../fixtures/tiny/manifest.json', import.meta.url);

vi.stubGlobal('PressureObserver', undefined);

/** Twenty pictures: two whole batches and a rest. */
const PHOTOS: readonly FrameSource[] = Array.from({ length: 20 }, (_, i) => noise(i + 1, 20 + i, 31));

const all = async (answers: AsyncIterable<PhotoAnswer>): Promise<PhotoAnswer[]> => {
  const list: PhotoAnswer[] = [];
  for await (const answer of answers) list.push(answer);
  return list;
};

for (const backend of ['webgpu', 'wasm'] as const) {
  describe(`photos on ${backend}`, () => {
    let runtime: Runtime;
    beforeAll(async () => {
      runtime = await createRuntime({ bundle: BUNDLE, backend, cache: false, waitFor: 'all' });
    });
    afterAll(() => runtime.dispose());

    it('gives every photo the answer it has alone, in order, on the most accurate route', async () => {
      const answers = await all(runtime.classifyAll(PHOTOS));
      expect(answers.map(({ index }) => index)).toEqual(PHOTOS.map((_, i) => i));
      const route = runtime.ladder.at(-1)?.id ?? '';
      for (const { photo, index, top, error, route: taken } of answers) {
        expect(photo).toBe(PHOTOS[index]);
        expect(error).toBeUndefined();
        expect(taken).toBe(route);
        const alone = await runtime.classify(photo, { route });
        expect(top.map(({ label }) => label)).toEqual(alone.top.map(({ label }) => label));
        expect(top[0]?.probability).toBeCloseTo(alone.top[0]?.probability ?? NaN, 5);
      }
    });

    it('follows the mode, or the route that it is given', async () => {
      const [first = '', second = ''] = runtime.routes.map(({ id }) => id);
      runtime.mode = { kind: 'lock', route: second };
      expect((await all(runtime.classifyAll(PHOTOS.slice(0, 2))))[0]?.route).toBe(second);
      expect((await all(runtime.classifyAll(PHOTOS.slice(0, 2), { route: first })))[0]?.route).toBe(first);
      runtime.mode = { kind: 'auto' };
      expect(() => runtime.classifyAll(PHOTOS, { route: 'nowhere' })).toThrow(
        expect.objectContaining({ code: 'route-unknown' }),
      );
    });

    it('a photo that cannot be read has its error; files and streams of them work', async () => {
      const canvas = new OffscreenCanvas(12, 12);
      canvas.getContext('2d')?.fillRect(2, 2, 5, 5);
      const png = await canvas.convertToBlob();
      async function* stream(): AsyncGenerator<FrameSource> {
        yield png;
        await new Promise((resolve) => setTimeout(resolve, 5));
        yield new Blob(['no picture']);
        yield { data: new Uint8ClampedArray(3), width: 9, height: 9 };
        yield png;
      }
      const answers = await all(runtime.classifyAll(stream()));
      expect(answers.map(({ error }) => error?.code)).toEqual([undefined, 'frame-invalid', 'frame-invalid', undefined]);
      expect(answers[1]).toMatchObject({ top: [], error: expect.any(StitchError) });
      expect(answers[3]?.top).toEqual(answers[0]?.top);
    });

    it('waits for no photo that does not come, once it is given up', async () => {
      async function* endless(): AsyncGenerator<FrameSource> {
        for (const photo of PHOTOS) yield photo;
        await new Promise(() => {});
      }
      const controller = new AbortController();
      const answers: PhotoAnswer[] = [];
      const aborted = (async () => {
        for await (const answer of runtime.classifyAll(endless(), { signal: controller.signal })) answers.push(answer);
      })();
      await expect.poll(() => answers.length, { timeout: 60_000 }).toBeGreaterThan(1);
      controller.abort();
      await expect(aborted).rejects.toMatchObject({ code: 'aborted' });
      const taken: PhotoAnswer[] = [];
      for await (const answer of runtime.classifyAll(endless())) {
        taken.push(answer);
        if (taken.length === 2) break;
      }
      expect(taken.length).toBe(2);
    });

    it('ends when the loop is left, when it is aborted and when the list is empty; frames run again at once', async () => {
      expect(await all(runtime.classifyAll([]))).toEqual([]);
      let taken = 0;
      function* endless(): Generator<FrameSource> {
        for (;;) {
          taken += 1;
          yield noise(taken, 16, 16);
        }
      }
      for await (const { index } of runtime.classifyAll(endless())) if (index === 3) break;
      const before = taken;
      expect((await runtime.classify(noise(1, 9, 9))).top.length).toBeGreaterThan(0);
      // Two groups at most were taken ahead, and none any more.
      expect(before).toBeLessThanOrEqual(3 * 8);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(taken).toBe(before);
      const controller = new AbortController();
      const answers = runtime.classifyAll(endless(), { signal: controller.signal });
      await answers.next();
      controller.abort();
      await expect(all(answers)).rejects.toMatchObject({ code: 'aborted' });
      expect((await runtime.classify(noise(1, 9, 9))).top.length).toBeGreaterThan(0);
    });
  });
}

it('a device that is lost in the middle costs no photo its answer', async () => {
  const { runtime, lose, healed, errors } = await admit();
  const expected = (await all(runtime.classifyAll(PHOTOS))).map(({ top }) => top[0]?.label);
  const answers: (string | undefined)[] = [];
  for await (const { top, index } of runtime.classifyAll(PHOTOS)) {
    answers.push(top[0]?.label);
    if (index === 0) lose();
  }
  await healed(1);
  expect(answers).toEqual(expected);
  expect(errors).toEqual([]);
});
