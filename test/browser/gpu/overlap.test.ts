/** Two frames on their way at once: neither sees anything of the other. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PixelFrame } from '../../../src/core/types';
import { createGpuExecutor, type GpuExecutor } from '../../../src/gpu/executor';
import { fill, openFixture } from '../../support/fixtures';
import { noise } from '../../support/noise';

describe('frames that overlap', () => {
  let gpu: GpuExecutor;
  let routes: string[];
  const jobs = [
    noise(1, 30, 20),
    noise(2, 30, 20),
    // Another size is another texture, while the one before is still read.
    noise(3, 17, 90),
    noise(4, 64, 64),
    noise(5, 64, 64),
    noise(6, 8, 8),
  ];
  beforeAll(async () => {
    const fixture = await openFixture('tiny');
    gpu = await createGpuExecutor(fixture.manifest);
    await fill(gpu, fixture);
    routes = fixture.manifest.routes.map(({ id }) => id);
  });
  afterAll(() => gpu.dispose());
  const routeOf = (job: number): string => routes[job % routes.length] ?? '';

  it('give the answers that they give one by one, each on its route, in order', async () => {
    const alone = [];
    for (const [i, frame] of jobs.entries()) alone.push((await gpu.run(routeOf(i), frame)).top);
    expect(new Set(alone.map((top) => top[0]?.probability)).size).toBe(jobs.length);
    const order: number[] = [];
    const start = async (i: number) => {
      const { top, timing } = await gpu.run(routeOf(i), jobs[i] as PixelFrame);
      order.push(i);
      return { top, timing };
    };
    const answers = [];
    for (let i = 0; i < jobs.length; i += 2) answers.push(...(await Promise.all([start(i), start(i + 1)])));
    expect(answers.map(({ top }) => top)).toEqual(alone);
    expect(order).toEqual(jobs.map((_, i) => i));
    // The second of each pair stood behind the first, the first behind nobody.
    expect(answers.map(({ timing }) => timing.queuedMs !== undefined)).toEqual(jobs.map((_, i) => i % 2 === 1));
    for (const { timing } of answers) expect(timing.queuedMs ?? 0).toBeLessThan(timing.totalMs);
  });

  it('create nothing, and a third one is refused until an answer is there', async () => {
    const run = (i: number) => gpu.run(routeOf(0), jobs[i] as PixelFrame);
    await Promise.all([run(3), run(4)]);
    const { pipelines, bindGroups, buffers, tf } = gpu.stats();
    const two = [run(3), run(4)];
    await expect(run(3)).rejects.toMatchObject({ code: 'busy' });
    await Promise.all(two);
    await run(3);
    expect(gpu.stats()).toMatchObject({ pipelines, bindGroups, buffers, tf });
  });

  it('a frame that cannot be uploaded does not hold up the one behind it', async () => {
    const bad: PixelFrame = { data: new Uint8ClampedArray(3), width: 9, height: 9 };
    const [first, second] = await Promise.allSettled([gpu.run(routeOf(0), bad), gpu.run(routeOf(0), jobs[0] as PixelFrame)]);
    expect(first).toMatchObject({ status: 'rejected', reason: { code: 'frame-invalid' } });
    expect(second).toMatchObject({ status: 'fulfilled' });
  });
});
