/** A device that has no memory left for something: an error where it belongs, and nothing that is used although it is not there. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createGpuExecutor, type GpuExecutor } from '../../../src/gpu/executor';
import { expectClose } from '../../support/close';
import { fill, type Fixture, openFixture } from '../../support/fixtures';
import { noise } from '../../support/noise';

const own = GPUDevice.prototype.popErrorScope;
/** The next `count` error scopes report that there was no memory. */
function exhaust(count = 1): void {
  let left = count;
  GPUDevice.prototype.popErrorScope = function () {
    const real = own.call(this);
    if (left === 0) return real;
    left -= 1;
    return real.then(() => new GPUOutOfMemoryError('pretended'));
  };
}

describe('no memory', () => {
  let fixture: Fixture;
  let gpu: GpuExecutor;
  beforeAll(async () => {
    fixture = await openFixture('tiny');
  });
  afterEach(() => {
    GPUDevice.prototype.popErrorScope = own;
    gpu.dispose();
  });

  it('for a unit of weights: that load fails, the next one brings it', async () => {
    gpu = await createGpuExecutor(fixture.manifest);
    exhaust();
    await expect(fill(gpu, fixture)).rejects.toMatchObject({ code: 'out-of-memory' });
    const { weightBytes } = gpu.stats();
    await fill(gpu, fixture);
    expect(gpu.stats().weightBytes).toBeGreaterThan(weightBytes);
    expectClose(await gpu.logits('a', fixture.pixels(0)), fixture.expected('a', 0, 'f16'), 1e-4, 'a');
  });

  it('for a frame: that frame fails, and the next ones are answered', async () => {
    gpu = await createGpuExecutor(fixture.manifest);
    await fill(gpu, fixture);
    const small = noise(1, 20, 20);
    const { top } = await gpu.run('a', small);
    exhaust();
    await expect(gpu.run('a', noise(2, 50, 50))).rejects.toMatchObject({ code: 'frame-invalid' });
    expect((await gpu.run('a', small)).top).toEqual(top);
    expect((await gpu.run('a', noise(2, 50, 50))).top).not.toEqual(top);
  });

  it('for a batch: its pictures are answered one by one, then and later', async () => {
    gpu = await createGpuExecutor(fixture.manifest);
    await fill(gpu, fixture);
    const pictures = [noise(1, 20, 20), noise(2, 30, 20), { data: new Uint8ClampedArray(3), width: 9, height: 9 }];
    const alone = [(await gpu.run('b', pictures[0]!)).top, (await gpu.run('b', pictures[1]!)).top];
    const { destroy } = GPUBuffer.prototype;
    let destroyed = 0;
    GPUBuffer.prototype.destroy = function () {
      destroyed += 1;
      destroy.call(this);
    };
    try {
      exhaust();
      const before = gpu.stats().buffers;
      for (const time of ['first', 'second']) {
        const answers = await gpu.runBatch('b', pictures);
        expect(answers.slice(0, 2), time).toEqual(alone);
        expect(answers[2], time).toMatchObject({ code: 'frame-invalid' });
      }
      // What was made of the batch is given back, and it is not made again.
      expect(destroyed).toBeGreaterThan(0);
      expect(gpu.stats().buffers - before).toBe(destroyed);
    } finally {
      GPUBuffer.prototype.destroy = destroy;
    }
  });
});
