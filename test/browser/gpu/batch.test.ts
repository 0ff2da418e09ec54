/** A batch: the answers of its pictures one by one, whatever stands beside them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StitchError } from '../../../src/core/errors';
import { createGpuExecutor, type GpuExecutor } from '../../../src/gpu/executor';
import { fill, openFixture } from '../../support/fixtures';
import { noise } from '../../support/noise';

for (const name of ['tiny', 'tiny-int8'] as const) {
  describe(`batches of ${name}`, () => {
    let gpu: GpuExecutor;
    let routes: string[];
    // Of different sizes, so that the texture and its filter change inside the batch.
    const pictures = [noise(1, 30, 20), noise(2, 30, 20), noise(3, 17, 90), noise(4, 8, 8), noise(5, 64, 64), noise(6, 64, 64), noise(7, 3, 3), noise(8, 70, 11)]; // prettier-ignore
    beforeAll(async () => {
      const fixture = await openFixture(name);
      gpu = await createGpuExecutor(fixture.manifest);
      await fill(gpu, fixture);
      routes = fixture.manifest.routes.map(({ id }) => id);
    });
    afterAll(() => gpu.dispose());

    it('answers as one by one, whatever the route, full or not', async () => {
      expect(pictures).toHaveLength(gpu.batchSize);
      // Every block of both anchors, and stitches in between.
      for (const [i, route] of routes.entries()) {
        if (i % 4 > 1) continue;
        const count = i === 0 ? gpu.batchSize : 1 + ((i * 3) % gpu.batchSize);
        const answers = await gpu.runBatch(route, pictures.slice(0, count));
        expect(answers).toHaveLength(count);
        for (const [n, answer] of answers.entries()) {
          const { top } = await gpu.run(route, pictures[n]!);
          if (answer instanceof StitchError) throw answer;
          expect(answer.map(({ index }) => index)).toEqual(top.map(({ index }) => index));
          for (const [rank, { probability }] of answer.entries()) expect(probability).toBeCloseTo(top[rank]!.probability, 5);
        }
      }
    });

    it('creates nothing after the first, and submits once a picture and once for the network', async () => {
      const { pipelines, bindGroups, buffers, submits, frames } = gpu.stats();
      // The size of the frames changes inside the batch, and each change is a texture with its bind group.
      const same = [pictures[4]!, pictures[5]!, pictures[4]!];
      await gpu.runBatch(routes[0]!, same);
      const before = gpu.stats();
      await gpu.runBatch(routes[0]!, same);
      const after = gpu.stats();
      expect(after).toMatchObject({ pipelines, buffers, bindGroups: before.bindGroups });
      expect(before.bindGroups).toBeLessThanOrEqual(bindGroups + 1);
      expect(after.submits - submits).toBe(8);
      expect(after.frames - frames).toBe(6);
    });

    it('a picture that cannot be read has its error, and the others their answers', async () => {
      const bad = { data: new Uint8ClampedArray(5), width: 9, height: 9 };
      const [first, second, third] = await gpu.runBatch(routes[0]!, [pictures[0]!, bad, pictures[1]!]);
      expect(second).toMatchObject({ code: 'frame-invalid' });
      const alone = [await gpu.run(routes[0]!, pictures[0]!), await gpu.run(routes[0]!, pictures[1]!)];
      expect([first, third]).toMatchObject(alone.map(({ top }) => top.map(({ index }) => ({ index }))));
      await expect(gpu.runBatch('nowhere', [pictures[0]!])).rejects.toMatchObject({ code: 'route-unknown' });
    });
  });
}
