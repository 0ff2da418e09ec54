/** What a driver makes wrong of special kernels is computed by plain ones, on the same device, from then on. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clear, createStore, keys, set } from 'idb-keyval';
import { VERSION } from '../../../src/core/version';
import type { EngineApi, EngineInfo, LoadRequest } from '../../../src/engine/api';
import { createEngine } from '../../../src/engine/engine';
import { linearSizes } from '../../../src/gpu/families/vit';
import { openFixture } from '../../support/fixtures';
import { pretendHardware } from '../../support/gpu';

const table = createStore('running-stitch', 'shards');
const BUNDLE = new URL('../../fixtures/tiny/manifest.json', import.meta.url).href;
const plainNotes = async () => (await keys<string>(table)).filter((key) => key.startsWith('plain:'));

let engine: EngineApi | undefined;
const undo: (() => void)[] = [];
/** Labels of the shaders that were made. */
let made: string[] = [];

beforeEach(async () => {
  await clear(table);
  undo.push(pretendHardware());
  // As if they had been measured to be the fastest for the heads and the widest layers; the others would only cost compilation.
  const tilingOf = (m: number, k: number, n: number) => (m === 1 ? 'split' : n === 3 * k ? 'tiled32' : 'direct4');
  const sizes = linearSizes((await openFixture('tiny')).manifest);
  const tilings = Object.fromEntries(sizes.map(({ m, k, n }) => [`${m}x${k}x${n}`, tilingOf(m, k, n)]));
  await set(`tuning:${VERSION} acme one `, tilings, table);
});
afterEach(async () => {
  await engine?.dispose();
  engine = undefined;
  for (const back of undo.splice(0)) back();
  await clear(table);
});

/** Passes the code of every kernel through `change`, as a bad driver does. */
function miscompile(change: (wgsl: string, label: string) => string): void {
  const own = GPUDevice.prototype.createShaderModule;
  GPUDevice.prototype.createShaderModule = function (descriptor) {
    made.push(descriptor.label ?? '');
    return own.call(this, { ...descriptor, code: change(descriptor.code, descriptor.label ?? '') });
  };
  undo.push(() => (GPUDevice.prototype.createShaderModule = own));
  made = [];
}

/** With a new engine: a worker has one. */
async function load(request: Partial<LoadRequest> = {}): Promise<EngineInfo> {
  await engine?.dispose();
  engine = createEngine();
  return engine.load({ manifestUrl: BUNDLE, backend: 'auto', cache: true, limits: {}, ...request }, () => {});
}

const specials = () => made.filter((label) => / (?:tiled32|split) /.test(label));

describe('special kernels', () => {
  it('that are right are used', async () => {
    miscompile((wgsl) => wgsl);
    const info = await load();
    expect(info).toMatchObject({ executor: 'webgpu', reason: 'WebGPU on acme one.', check: { passed: true } });
    expect(specials().length).toBeGreaterThan(0);
    expect(await plainNotes()).toEqual([]);
  });

  const faults: [string, (wgsl: string, label: string) => string][] = [
    ['compute something else', (wgsl, label) => (label.includes(' tiled32 ') ? wgsl.replace('lo0 += biasLo', 'lo0 += 3.0 + biasLo') : wgsl)],
    ['do not compile', (wgsl, label) => (label.includes(' split ') ? `${wgsl}\nfn broken() -> u32 { return 1.5; }` : wgsl)],
  ]; // prettier-ignore
  it.each(faults)('that %s give way to plain ones, and are not tried again on this device', async (_, change) => {
    miscompile(change);
    const info = await load();
    expect(info).toMatchObject({ executor: 'webgpu', check: { passed: true } });
    expect(info.reason).toMatch(/plain kernels/);
    expect(specials().length).toBeGreaterThan(0);
    expect(await plainNotes()).toEqual([`plain:${VERSION} acme one `]);

    made = [];
    const again = await load({ backend: 'webgpu' });
    expect(again).toMatchObject({ executor: 'webgpu', check: { passed: true } });
    expect(made.length).toBeGreaterThan(0);
    expect(specials()).toEqual([]);
  });

  it('are not blamed where plain ones fail too', async () => {
    miscompile((wgsl) => wgsl.replace('lo0 += biasLo', 'lo0 += 3.0 + biasLo'));
    expect(await load()).toMatchObject({ executor: 'wasm', check: { passed: true } });
    expect(await plainNotes()).toEqual([]);
  });

  it('are not blamed for a device that did not come', async () => {
    const own = GPUAdapter.prototype.requestDevice;
    let refused = 0;
    GPUAdapter.prototype.requestDevice = function (descriptor) {
      refused += 1;
      return refused === 1 ? Promise.reject(new DOMException('busy', 'OperationError')) : own.call(this, descriptor);
    };
    undo.push(() => (GPUAdapter.prototype.requestDevice = own));
    expect(await load()).toMatchObject({ executor: 'webgpu', check: { passed: true } });
    expect(refused).toBeGreaterThan(1);
    expect(await plainNotes()).toEqual([]);
  });
});

describe('special kernels of what is loaded later', () => {
  it('fail in a way that says that another load is worth it', async () => {
    // Wrong for the larger anchor alone, whose rows are 12 vectors long.
    const wrong = 'lo0 += select(0.0, 3.0, K4 == 12u) + biasLo';
    miscompile((wgsl, label) => (label.startsWith('gemm 17 tiled32 ') ? wgsl.replace('lo0 += biasLo', wrong) : wgsl));
    const info = await load();
    expect(info.reason).toBe('WebGPU on acme one.');
    const anchor = info.tiers.at(-1)!.anchor;
    await expect(engine!.loadMore(anchor, () => {})).rejects.toMatchObject({ code: 'unsupported', detail: { again: true } });
    const after = await load();
    expect(after.reason).toMatch(/plain kernels/);
    const more = await engine!.loadMore(anchor, () => {});
    expect(more.check.passed).toBe(true);
  });
});
