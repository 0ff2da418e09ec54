/** The rows of a GEMM, asked of the device once and kept. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { clear, createStore, entries } from 'idb-keyval';
import { openKept } from '../../../src/core/kept';
import { createGpuExecutor, type GpuExecutor } from '../../../src/gpu/executor';
import { blockSizes } from '../../../src/gpu/families/vit';
import { DEFAULT_ROWS, rowsFor, tune } from '../../../src/gpu/tune';
import { expectClose } from '../../support/close';
import { fill, type Fixture, openFixture } from '../../support/fixtures';

const table = createStore('running-stitch', 'shards');
const keptTunings = async () =>
  (await entries<string, Record<string, number>>(table)).filter(([key]) => key.startsWith('tuning:'));

let fixture: Fixture;
let gpu: GpuExecutor | undefined;
beforeAll(async () => {
  fixture = await openFixture('tiny');
});
afterEach(async () => {
  gpu?.dispose();
  gpu = undefined;
  await clear(table);
});

/** Counts what a device is asked to compile. */
function watchPipelines() {
  const compiled: string[] = [];
  const own = GPUDevice.prototype.createComputePipelineAsync;
  GPUDevice.prototype.createComputePipelineAsync = function (descriptor) {
    compiled.push(descriptor.label ?? '');
    return own.call(this, descriptor);
  };
  return { compiled, stop: () => (GPUDevice.prototype.createComputePipelineAsync = own) };
}

describe('tuning', () => {
  it('measures once a device, keeps what it found, and the network answers the same', async () => {
    gpu = await createGpuExecutor(fixture.manifest, openKept(true));
    await fill(gpu, fixture);
    for (const { id } of fixture.manifest.routes) {
      expectClose(await gpu.logits(id, fixture.pixels(0)), fixture.expected(id, 0, 'f16'), 1e-4, id);
    }
    const [[key, rows] = ['', {}], ...others] = await keptTunings();
    expect(others).toEqual([]);
    expect(key).toContain(gpu.adapter.architecture);
    expect(Object.keys(rows).length).toBeGreaterThan(0);
    expect(blockSizes(fixture.manifest).map(({ m, k, n }) => `${m}x${k}x${n}`)).toEqual(
      expect.arrayContaining(Object.keys(rows)),
    );
    gpu.dispose();

    const { compiled, stop } = watchPipelines();
    try {
      gpu = await createGpuExecutor(fixture.manifest, openKept(true));
      expect(compiled).toEqual([]);
    } finally {
      stop();
    }
  });

  it.each([2, 4, 8])('answers the same with %i rows', async (rows) => {
    const all = Object.fromEntries(blockSizes(fixture.manifest).map(({ m, k, n }) => [`${m}x${k}x${n}`, rows]));
    const kept = { enabled: true, read: () => Promise.resolve(all), write: () => Promise.resolve() };
    const { compiled, stop } = watchPipelines();
    try {
      gpu = await createGpuExecutor(fixture.manifest, kept);
      await fill(gpu, fixture);
    } finally {
      stop();
    }
    expect(compiled.filter((label) => label.startsWith('gemm') && label.includes(`rows=${rows} `)).length).toBeGreaterThan(0);
    for (const { id } of fixture.manifest.routes) {
      expectClose(await gpu.logits(id, fixture.pixels(0)), fixture.expected(id, 0, 'f16'), 1e-4, id);
    }
  });

  it('measures nothing where nothing is kept', async () => {
    gpu = await createGpuExecutor(fixture.manifest, openKept(false));
    expect(gpu.stats().pipelines).toBe(0);
    expect(await keptTunings()).toEqual([]);
  });

  it('does not believe what it would never have written', async () => {
    const adapter = { vendor: '', architecture: '', description: '', software: true, timestamps: false };
    const kept = {
      enabled: true,
      read: () => Promise.resolve({ '5x4x4': 3, x: 4, '6x4x4': 8 }),
      write: () => Promise.resolve(),
    };
    const none = undefined as never;
    expect([...(await tune(none, none, adapter, [], kept))]).toEqual([['6x4x4', 8]]);
  });

  it('takes the rows of the size nearest in work', () => {
    const tuning = new Map([['65x96x288', 2], ['65x192x768', 8]]); // prettier-ignore
    expect(rowsFor(tuning, { m: 65, k: 96, n: 96 })).toBe(2);
    expect(rowsFor(tuning, { m: 65, k: 192, n: 576 })).toBe(8);
    expect(rowsFor(new Map(), { m: 65, k: 192, n: 576 })).toBe(DEFAULT_ROWS);
  });
});
