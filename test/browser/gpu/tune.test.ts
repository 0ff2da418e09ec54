/** How the work of a GEMM is shared out: asked of the device once and kept. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { clear, createStore, entries } from 'idb-keyval';
import { openKept } from '../../../src/core/kept';
import { requestDevice, type Specials } from '../../../src/gpu/device';
import { createGpuExecutor, type GpuExecutor } from '../../../src/gpu/executor';
import { createPipelineCache, newCounters } from '../../../src/gpu/kernel';
import { linearSizes } from '../../../src/gpu/families/vit';
import { candidatesFor, tilingFor, tune } from '../../../src/gpu/tune';
import { expectClose } from '../../support/close';
import { fill, type Fixture, openFixture } from '../../support/fixtures';
import { pretendHardware } from '../../support/gpu';

const table = createStore('running-stitch', 'shards');
const PLAIN: Specials = { tiles: false, manyRows: false, halves: 'unpacked', subgroups: false };
const ALL: Specials = { tiles: true, manyRows: false, halves: 'native', subgroups: true };
const keyOf = ({ m, k, n }: { m: number; k: number; n: number }) => `${m}x${k}x${n}`;
const keptTunings = async () =>
  (await entries<string, Record<string, string>>(table)).filter(([key]) => key.startsWith('tuning:'));

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

/** What is compiled to be timed: no layer of the network has neither LayerNorm nor epilogue nor moments. */
const triedOf = (compiled: readonly string[]): string[] =>
  compiled.filter((label) => /^gemm \d+ \w+ plain( half-n)?$/.test(label));

describe('tuning', () => {
  it('measures once a device, tiles and split rows too, keeps what it found, and the network answers the same', async () => {
    const undo = pretendHardware();
    const { compiled, stop } = watchPipelines();
    try {
      gpu = await createGpuExecutor(fixture.manifest, openKept(true));
      const [size] = linearSizes(fixture.manifest);
      for (const tiling of candidatesFor(size!, ALL)) {
        expect(compiled).toContainEqual(expect.stringMatching(new RegExp(`^gemm ${size!.m} ${tiling} `)));
      }
      const [[key, tilings] = ['', {}], ...others] = await keptTunings();
      expect(others).toEqual([]);
      expect(key).toContain(gpu.adapter.architecture);
      expect(candidatesFor(size!, ALL)).toContain(tilings[keyOf(size!)]);
      expect(linearSizes(fixture.manifest).map(keyOf)).toEqual(expect.arrayContaining(Object.keys(tilings)));
      await fill(gpu, fixture);
      for (const { id } of fixture.manifest.routes) {
        expectClose(await gpu.logits(id, fixture.pixels(0)), fixture.expected(id, 0, 'f16'), 1e-4, id);
      }
      gpu.dispose();
      expect(triedOf(compiled)).toContain(`gemm ${size!.m} direct2 plain`);
      compiled.length = 0;
      gpu = await createGpuExecutor(fixture.manifest, openKept(true));
      expect(triedOf(compiled)).toEqual([]);
    } finally {
      stop();
      undo();
    }
  });

  it('asks nothing of a software adapter, for which there is a rule', async () => {
    const { compiled, stop } = watchPipelines();
    gpu = await createGpuExecutor(fixture.manifest, openKept(true)).finally(stop);
    expect(compiled.length).toBeGreaterThan(0);
    expect(triedOf(compiled)).toEqual([]);
    expect(await keptTunings()).toEqual([]);
  });

  it.each(['direct8', 'tiled32'] as const)('answers the same with %s', async (tiling) => {
    const sizes = linearSizes(fixture.manifest);
    const all = Object.fromEntries(sizes.map((size) => [keyOf(size), size.m === 1 ? 'split' : tiling]));
    const kept = { enabled: true, read: () => Promise.resolve(all), write: () => Promise.resolve() };
    const undo = pretendHardware();
    const { compiled, stop } = watchPipelines();
    try {
      gpu = await createGpuExecutor(fixture.manifest, kept);
      await fill(gpu, fixture);
    } finally {
      stop();
      undo();
    }
    const gemms = compiled.filter((label) => label.startsWith('gemm'));
    const heads = gemms.filter((label) => label.startsWith('gemm 1 '));
    expect(heads.filter((label) => !label.includes(' split '))).toEqual([]);
    expect(gemms.filter((label) => !heads.includes(label) && !label.includes(` ${tiling} `))).toEqual([]);
    expect(gemms.length - heads.length).toBeGreaterThan(0);
    for (const { id } of fixture.manifest.routes) {
      expectClose(await gpu.logits(id, fixture.pixels(0)), fixture.expected(id, 0, 'f16'), 1e-4, id);
    }
  });

  it('measures nothing where nothing is kept', async () => {
    const undo = pretendHardware();
    const { compiled, stop } = watchPipelines();
    gpu = await createGpuExecutor(fixture.manifest, openKept(false)).finally(undo).finally(stop);
    expect(compiled.length).toBeGreaterThan(0);
    expect(triedOf(compiled)).toEqual([]);
    expect(await keptTunings()).toEqual([]);
  });

  it('keeps nothing of a device that was lost meanwhile, on which everything takes no time', async () => {
    const undo = pretendHardware();
    const handle = await requestDevice().finally(undo);
    handle.device.destroy();
    await handle.device.lost;
    const written: unknown[] = [];
    const kept = {
      enabled: true,
      read: () => Promise.resolve(undefined),
      write: (_: string, value: unknown) => Promise.resolve(void written.push(value)),
    };
    const pipelines = createPipelineCache(handle.device, newCounters());
    expect([...(await tune(handle, pipelines, linearSizes(fixture.manifest), kept))]).toEqual([]);
    expect(written).toEqual([]);
  });

  it('does not believe what it would never have written, nor what this device cannot run', async () => {
    const summary = { vendor: '', architecture: '', description: '', software: true, timestamps: false };
    const found = {
      '5x4x4': 'direct3',
      '6x4x4': 'direct8',
      '7x4x4': 'tiled32',
      '1x4x4': 'split',
      '8x4x4': 8,
      '9x4x4': 'split',
      x: 'direct4',
    };
    const kept = { enabled: true, read: () => Promise.resolve(found), write: () => Promise.resolve() };
    const none = undefined as never;
    const read = (specials: typeof PLAIN) => tune({ device: none, summary, specials }, none, [], kept);
    expect([...(await read(PLAIN))]).toEqual([['6x4x4', 'direct8']]);
    expect([...(await read(ALL))]).toEqual([['6x4x4', 'direct8'], ['7x4x4', 'tiled32'], ['1x4x4', 'split']]); // prettier-ignore
  });

  it('takes after the size nearest in work that could run so', () => {
    const tuning = new Map([['65x96x288', 'direct2'], ['65x192x768', 'tiled32'], ['1x192x1000', 'split']] as const); // prettier-ignore
    expect(tilingFor(tuning, { m: 65, k: 96, n: 96 }, ALL)).toBe('direct2');
    expect(tilingFor(tuning, { m: 65, k: 192, n: 576 }, ALL)).toBe('tiled32');
    expect(tilingFor(tuning, { m: 1, k: 96, n: 200 }, ALL)).toBe('split');
  });

  it.each([PLAIN, ALL])('takes plain kernels where nothing was measured: %o', (specials) => {
    expect(tilingFor(new Map(), { m: 65, k: 192, n: 576 }, specials)).toBe('direct4');
    expect(tilingFor(new Map(), { m: 1, k: 192, n: 1000 }, specials)).toBe('direct1');
  });

  it.each([
    [5, 'direct4'],
    [50, 'wide13'],
    [65, 'wide13'],
    [197, 'wide16'],
  ])('where registers are memory, %i rows are shared out with few beyond the last', (m, tiling) => {
    expect(tilingFor(new Map(), { m, k: 192, n: 576 }, { ...PLAIN, manyRows: true })).toBe(tiling);
  });
});
