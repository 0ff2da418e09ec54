/** What is lost comes back by itself: the GPU device at every stage, and the worker. */
import { describe, expect, it, vi } from 'vitest';
import { storage } from '../../../src/index';
import { admit, failure, grey } from './patient';

// A busy test machine reports critical pressure, which rightly forces the lowest rung.
vi.stubGlobal('PressureObserver', undefined);

describe('a lost device', () => {
  it('comes back when nothing runs, at the same route and with all routes', async () => {
    const { runtime, losses, healings, errors, lose, healed } = await admit();
    const top = runtime.ladder.at(-1)?.id ?? '';
    runtime.mode = { kind: 'lock', route: top };
    const before = await runtime.classify(grey(16));
    lose();
    await healed(1);
    expect(losses).toEqual([expect.objectContaining({ reason: 'destroyed' })]);
    expect(healings[0]).toMatchObject({ why: 'device-lost', from: 'webgpu', executor: 'webgpu' });
    expect(healings[0]?.ms).toBeGreaterThan(0);
    const after = await runtime.classify(grey(16));
    expect(after).toMatchObject({ route: top, top: before.top });
    await expect.poll(() => runtime.routes.every(({ available }) => available), { timeout: 60_000 }).toBe(true);
    expect(errors).toEqual([]);
    expect((await runtime.selfCheck()).passed).toBe(true);
  });

  it('takes the frame on its way with it, and answers the next', async () => {
    const { runtime, errors, lose, healed } = await admit();
    await runtime.classify(grey(16));
    const frame = failure(runtime.classify(grey(2048)));
    await new Promise((resolve) => setTimeout(resolve, 20));
    lose();
    const error = await frame;
    expect([error.code, error.recoverable]).toEqual(['device-lost', true]);
    // Made while it heals, answered when it has.
    expect((await runtime.classify(grey(16))).executor).toBe('webgpu');
    await healed(1);
    expect(errors).toEqual([]);
  });

  it('while loading is not seen from outside', async () => {
    const { runtime, workers } = await admit({}, ['lose at load', '']);
    expect(workers).toEqual(['lose at load', '']);
    expect((await runtime.classify(grey(16))).executor).toBe('webgpu');
  });

  it('while the rest loads comes back, and the rest is loaded', async () => {
    const { runtime, lose, healed } = await admit({ waitFor: 'first' });
    lose();
    await healed(1);
    await runtime.loaded;
    expect(runtime.routes.every(({ available }) => available)).toBe(true);
    for (const { id } of runtime.routes.slice(0, 3)) expect((await runtime.classify(grey(8), { route: id })).route).toBe(id);
  });

  it('while calibrating comes back, and the calibration ends', async () => {
    const { runtime, lose, healed } = await admit();
    let done = 0;
    const profile = await runtime.calibrate({
      maxMs: 3000,
      onProgress(progress) {
        if (progress.done > 0 && done === 0) lose();
        done = progress.done;
      },
    });
    await healed(1);
    expect(done).toBeGreaterThan(0);
    expect(profile.routes.every(({ predictedMs }) => predictedMs > 0)).toBe(true);
    expect((await runtime.classify(grey(8))).top.length).toBeGreaterThan(0);
  });

  it.each(['silent server', 'new version'])('comes back from what is kept, whatever its server does: %s', async (server) => {
    await storage.clear();
    const { runtime, errors, workers, askers, lose, healed } = await admit({ cache: true }, ['', server]);
    lose();
    await healed(1);
    await expect.poll(() => runtime.routes.every(({ available }) => available), { timeout: 60_000 }).toBe(true);
    expect((await runtime.classify(grey(16))).executor).toBe('webgpu');
    expect([workers, askers]).toEqual([['', server], ['']]);
    expect(errors).toEqual([]);
    await storage.clear();
  });

  it('again and again gives way to the fallback', async () => {
    const { runtime, healings, losses, lose, healed } = await admit({ backend: 'auto' }, ['hardware']);
    expect(runtime.device).toMatchObject({ executor: 'webgpu', adapter: { vendor: 'acme' } });
    for (let i = 1; i <= 3; i++) {
      lose();
      await healed(i);
    }
    expect(losses).toHaveLength(3);
    expect(healings.map(({ executor }) => executor)).toEqual(['webgpu', 'webgpu', 'wasm']);
    expect(runtime.device).toMatchObject({ executor: 'wasm' });
    expect(runtime.device.reason).toMatch(/again and again/);
    expect((await runtime.classify(grey(16))).executor).toBe('wasm');
  });

  it('again and again ends a runtime that was told to use the GPU', async () => {
    const { runtime, healings, errors, lose, healed } = await admit();
    for (let i = 1; i <= 2; i++) {
      lose();
      await healed(i);
    }
    lose();
    await expect.poll(() => errors.length, { timeout: 60_000 }).toBe(1);
    expect(errors[0]).toMatchObject({ code: 'device-lost', recoverable: false });
    expect(errors[0]?.message).toMatch(/given up/);
    expect((await failure(runtime.classify(grey(8)))).code).toBe('device-lost');
    expect(healings).toHaveLength(2);
  });
});

describe('a dead worker', () => {
  it('rejects what is on its way and is started once more, but not twice in a row', async () => {
    const { runtime, errors, losses, workers, die, healed } = await admit({ backend: 'wasm' });
    die();
    const first = failure(runtime.classify(grey(16)));
    expect(await first).toMatchObject({ code: 'worker-died', recoverable: true });
    await healed(1);
    expect(losses[0]?.message).toMatch(/out of memory, say/);
    expect((await runtime.classify(grey(8))).executor).toBe('wasm');
    expect(errors).toEqual([]);
    die();
    await expect.poll(() => errors.length, { timeout: 60_000 }).toBe(1);
    expect(errors[0]).toMatchObject({ code: 'worker-died', recoverable: false });
    expect(workers).toHaveLength(2);
    expect((await failure(runtime.classify(grey(8)))).code).toBe('worker-died');
  });
});

describe('dispose', () => {
  it('never heals', async () => {
    const { runtime, losses, healings, workers } = await admit();
    await runtime.dispose();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect([losses, healings, workers.length]).toEqual([[], [], 1]);
  });

  it('ends a healing that has begun', async () => {
    const { runtime, losses, healings, errors, lose } = await admit();
    lose();
    await expect.poll(() => losses.length, { timeout: 30_000 }).toBe(1);
    const call = failure(runtime.stats());
    await runtime.dispose();
    expect((await call).code).toBe('disposed');
    await new Promise((resolve) => setTimeout(resolve, 2000));
    expect([healings, errors]).toEqual([[], []]);
  });
});
