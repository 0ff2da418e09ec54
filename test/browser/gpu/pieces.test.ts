/** A forward pass in pieces, with frames between them: the same answers, and nothing left behind. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGpuExecutor, type GpuExecutor } from '../../../src/gpu/executor';
import { fill, type Fixture, openFixture } from '../../support/fixtures';
import { noise } from '../../support/noise';

const nothing = (): Promise<void> => Promise.resolve();

describe('logits in pieces', () => {
  let fixture: Fixture;
  let gpu: GpuExecutor;
  beforeAll(async () => {
    fixture = await openFixture('tiny');
    gpu = await createGpuExecutor(fixture.manifest);
    await fill(gpu, fixture);
  });
  afterAll(() => gpu.dispose());

  /** How often the pass of `route` paused. */
  async function pausesOf(route: string, pause = nothing): Promise<number> {
    let pauses = 0;
    await gpu.logitsInPieces(route, fixture.pixels(0), () => {
      pauses += 1;
      return pause();
    });
    return pauses;
  }

  it('run every pipeline alone the first time, and many together from then on', async () => {
    const dispatches = gpu.stats().dispatches.find(({ route }) => route === 'a')!;
    const first = await pausesOf('a');
    const second = await pausesOf('a');
    expect(second).toBeLessThan(first);
    expect(first).toBeLessThan(dispatches.network);
    // Its last layers are known from `a`; the others are new.
    const longer = await pausesOf('a.1+b.2');
    expect(longer).toBeGreaterThan(await pausesOf('a.1+b.2'));
  });

  it('are those of one pass, on every route, whatever frames run between them', async () => {
    const { routes } = fixture.manifest;
    const frame = noise(1, 40, 30);
    for (const [i, { id }] of routes.entries()) {
      const whole = await gpu.logits(id, fixture.pixels(0));
      // Short frames make short pieces, so that there is something to be between.
      let frames = 0;
      const pieces = await gpu.logitsInPieces(id, fixture.pixels(0), async () => {
        frames += 1;
        await gpu.run(routes[(i + frames) % routes.length]!.id, frame);
      });
      expect(pieces, id).toEqual(whole);
      expect(frames, id).toBeGreaterThan(0);
    }
  });

  it('leave what a frame answers as it is', async () => {
    const frame = noise(2, 40, 30);
    const { top } = await gpu.run('b', frame);
    const between: unknown[] = [];
    await gpu.logitsInPieces('a', fixture.pixels(0), async () => {
      between.push((await gpu.run('b', frame)).top);
    });
    expect(between.length).toBeGreaterThan(0);
    for (const one of between) expect(one).toEqual(top);
  });

  it('given up between two pieces, leave no buffer behind', async () => {
    const { prototype } = GPUBuffer;
    const { destroy } = prototype;
    let destroyed = 0;
    const before = gpu.stats().buffers;
    try {
      prototype.destroy = function (this: GPUBuffer) {
        destroyed += 1;
        destroy.call(this);
      };
      await expect(pausesOf('a', () => Promise.reject(new Error('stop')))).rejects.toThrow('stop');
    } finally {
      prototype.destroy = destroy;
    }
    expect(gpu.stats().buffers - before).toBe(destroyed);
    expect(destroyed).toBe(1);
    expect(await gpu.logits('a', fixture.pixels(0))).toHaveLength(fixture.manifest.classes);
  });
});
