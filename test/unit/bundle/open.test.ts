import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bundleHash, sha256Hex } from '../../../src/bundle/hash';
import type { Manifest, ShardSpec } from '../../../src/bundle/manifest';
import { openBundle, type OpenOptions } from '../../../src/bundle/open';
import type { BundleProgress } from '../../../src/bundle/progress';
import { writeSafetensors, type TensorInput } from '../../../src/bundle/safetensors';
import type { KeptManifest, ShardStore } from '../../../src/bundle/store';
import { requiredTensors } from '../../../src/model/stored';
import { errorOf, expectError } from './expect-error';
import { makeBundle, type MemoryBundle } from './make-bundle';
import { send, stall, startServer, status, type TestServer } from './serve';

const retry = { attempts: 2, baseMs: 5 };
let server: TestServer;
let bundle: MemoryBundle;

const serve = (files: ReadonlyMap<string, Uint8Array>, folder = '') =>
  server.files(new Map([...files].map(([file, bytes]) => [folder + file, bytes])));
const open = (options: OpenOptions = {}) => openBundle(`${server.url}manifest.json`, { retry, cache: false, ...options });
const sum = (list: readonly number[]) => list.reduce((total, value) => total + value, 0);
const total = ({ labels, shards, check }: Manifest) => sum([labels, ...shards, check].map(({ bytes }) => bytes));

/** A store in memory that can be told what to answer. */
function memoryStore(): ShardStore & { readonly kept: Map<string, Uint8Array<ArrayBuffer>> } {
  const kept = new Map<string, Uint8Array<ArrayBuffer>>();
  const manifests = new Map<string, KeptManifest>();
  return {
    kept,
    problem: undefined,
    get: ({ sha256 }) => {
      const bytes = kept.get(sha256);
      return Promise.resolve(bytes === undefined ? { status: 'miss' } : { status: 'hit', bytes });
    },
    put: (sha256, bytes) => {
      kept.set(sha256, bytes.slice());
      return Promise.resolve('stored');
    },
    delete: (sha256) => Promise.resolve(kept.delete(sha256)),
    manifest: (address) => Promise.resolve(manifests.get(address)),
    keepManifest: (address, manifest) => Promise.resolve(void manifests.set(address, manifest)),
    usage: () => Promise.resolve({ shards: kept.size, bytes: sum([...kept.values()].map(({ length }) => length)) }),
    clear: () => Promise.resolve(kept.clear()),
  };
}

/** The bundle with one of its JSON or check files changed, hashes and sizes put right. */
async function withFile(part: 'labels' | 'check', bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  const { manifest, files } = bundle;
  const ref = { ...manifest[part], bytes: bytes.length, sha256: await sha256Hex(bytes) };
  const changed = new TextEncoder().encode(JSON.stringify({ ...manifest, [part]: ref }));
  serve(new Map([...files, ['manifest.json', changed], [ref.file, bytes]]));
}
const withLabels = (labels: unknown) => withFile('labels', new TextEncoder().encode(JSON.stringify(labels)));

beforeEach(async () => {
  server = await startServer();
  bundle = await makeBundle();
  serve(bundle.files);
});
afterEach(() => server.close());

describe('openBundle', () => {
  it('reads manifest and labels and nothing else', async () => {
    const opened = await open();
    expect(opened.manifest).toEqual(bundle.manifest);
    expect(opened.labels).toEqual(['class 0', 'class 1', 'class 2', 'class 3', 'class 4']);
    expect([...server.hits.keys()]).toEqual(['manifest.json', 'labels.json']);
  });

  it('finds the files beside the manifest, after a redirect too', async () => {
    serve(bundle.files, 'v3/');
    server.on('latest.json', (response) => response.writeHead(302, { location: '/v3/manifest.json' }).end());
    const opened = await openBundle(new URL(`${server.url}latest.json`), { retry, cache: false });
    expect(opened.url).toBe(`${server.url}v3/manifest.json`);
    await opened.loadShard(opened.manifest.shards[0]!);
    expect(server.hits.get(`v3/${opened.manifest.shards[0]!.file}`)).toBe(1);
  });

  it('names a manifest that is missing, no manifest, or another format', async () => {
    await expectError(() => openBundle(`${server.url}nowhere/manifest.json`, { retry }), 'network', 'answered 404');
    server.on('page', send('<!doctype html>'));
    await expectError(() => openBundle(`${server.url}page`, { retry }), 'bundle-invalid', 'HTML');
    server.on('old', send('{"format":"snn-bundle/1"}'));
    await expectError(() => openBundle(`${server.url}old`, { retry }), 'bundle-invalid', 'format is "snn-bundle/1"');
    await expectError(() => openBundle('manifest.json', { retry }), 'argument-invalid', 'Pass an absolute one');
  });

  it.each<[what: string, labels: unknown, message: string]>([
    ['too few', ['a'], 'has 1 labels for 5 classes'],
    ['too many', Array(200).fill('a'), 'has 200 labels for 5 classes'],
    ['no list', { 0: 'a' }, 'is an object'],
    ['no strings', ['a', 'b', 3, 'd', 'e'], '[2] is 3'],
  ])('refuses labels that are %s', async (_, labels, message) => {
    await withLabels(labels);
    await expectError(() => open(), 'bundle-invalid', 'Labels labels.json', message);
  });

  it('runs uncached where there is no IndexedDB, and says why', async () => {
    const opened = await open({ cache: true });
    await opened.loadAll(() => undefined);
    expect(opened.cacheProblem).toMatch(/indexedDB/i);
  });
});

describe('loadAll', () => {
  it('hands over every shard in order, complete, with byte-accurate progress', async () => {
    const progress: BundleProgress[] = [];
    const opened = await open({ onProgress: (step) => progress.push(step) });
    const seen: string[] = [];
    await opened.loadAll((spec, tensors) => {
      for (const unit of spec.units) requiredTensors(opened.manifest, unit, tensors);
      seen.push(spec.file);
    });
    expect(seen).toEqual(bundle.manifest.shards.map(({ file }) => file));
    await opened.check();
    const all = total(bundle.manifest);
    expect(progress[0]).toEqual({ bytesLoaded: 0, bytesTotal: all, bytesFromCache: 0 });
    expect(progress.at(-1)).toEqual({ bytesLoaded: all, bytesTotal: all, bytesFromCache: 0 });
    const loaded = progress.map(({ bytesLoaded }) => bytesLoaded);
    expect(loaded).toEqual(loaded.toSorted((a, b) => a - b));
  });

  it('has at most two shards on their way or handed over', async () => {
    const files = new Set(bundle.manifest.shards.map(({ file }) => file));
    const requested = () => sum([...server.hits].filter(([file]) => files.has(file)).map(([, hits]) => hits));
    let done = 0;
    let most = 0;
    const opened = await open();
    await opened.loadAll(async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      most = Math.max(most, requested() - done);
      done++;
    });
    expect([most, requested()]).toEqual([2, files.size]);
  });

  it('takes back the bytes of a failed try', async () => {
    const spec = bundle.manifest.shards[1]!;
    const bytes = bundle.files.get(spec.file)!;
    server.on(spec.file, stall(bytes.subarray(0, 500)), send(bytes));
    const progress: BundleProgress[] = [];
    const opened = await open({ retry: { ...retry, stallMs: 150 }, onProgress: (step) => progress.push(step) });
    await opened.loadAll(() => undefined);
    const loaded = progress.map(({ bytesLoaded }) => bytesLoaded);
    expect(loaded.some((value, index) => value === (loaded[index - 1] ?? 0) - 500)).toBe(true);
    expect(loaded.at(-1)).toBe(total(bundle.manifest) - bundle.manifest.check.bytes);
  });

  it('does not count a shard twice that is loaded again', async () => {
    const progress: BundleProgress[] = [];
    const opened = await open({ onProgress: (step) => progress.push(step) });
    await opened.loadAll(() => undefined);
    await opened.loadAll(() => undefined);
    expect(progress.at(-1)!.bytesLoaded).toBe(total(bundle.manifest) - bundle.manifest.check.bytes);
  });

  it('stops at the first failure and hands over nothing behind it', async () => {
    const { file } = bundle.manifest.shards[2]!;
    server.on(file, status(404));
    const seen: string[] = [];
    const opened = await open();
    await expectError(() => opened.loadAll(({ file: name }) => void seen.push(name)), 'network', file);
    expect(seen).toEqual(bundle.manifest.shards.slice(0, 2).map(({ file: name }) => name));
  });

  it('passes on what the receiver throws', async () => {
    const opened = await open();
    const boom = new Error('boom');
    await expect(
      opened.loadAll(() => {
        throw boom;
      }),
    ).rejects.toBe(boom);
  });

  // Retried, because a busy machine may pause any process for longer than the bound.
  it.each(['the bundle', 'the call'])('stops within 100 ms by the signal of %s', { retry: 2 }, async (owner) => {
    const spec = bundle.manifest.shards[1]!;
    server.on(spec.file, stall(bundle.files.get(spec.file)!.subarray(0, 500)));
    const controller = new AbortController();
    const { signal } = controller;
    const opened = await open(owner === 'the bundle' ? { signal } : {});
    const seen: ShardSpec[] = [];
    let abortedAt = 0;
    setTimeout(() => {
      abortedAt = performance.now();
      controller.abort();
    }, 80);
    const error = await errorOf(() =>
      opened.loadAll((shard) => void seen.push(shard), owner === 'the call' ? signal : undefined),
    );
    expect([error.code, seen.length]).toEqual(['aborted', 1]);
    expect(performance.now() - abortedAt).toBeLessThan(100);
  });

  it('goes on after an abort with what was kept', async () => {
    const store = memoryStore();
    const spec = bundle.manifest.shards[2]!;
    server.on(spec.file, stall(new Uint8Array(10)));
    const controller = new AbortController();
    const first = await open({ cache: true, store });
    setTimeout(() => controller.abort(), 80);
    await expectError(() => first.loadAll(() => undefined, controller.signal), 'aborted');
    serve(bundle.files);
    const progress: BundleProgress[] = [];
    const second = await open({ cache: true, store, onProgress: (step) => progress.push(step) });
    await second.loadAll(() => undefined);
    expect(progress.at(-1)!.bytesFromCache).toBeGreaterThanOrEqual(
      sum(bundle.manifest.shards.slice(0, 2).map(({ bytes }) => bytes)),
    );
    expect(server.hits.get(bundle.manifest.shards[0]!.file)).toBe(1);
  });

  it('loads a second time from the store alone', async () => {
    const store = memoryStore();
    await (await open({ cache: true, store })).loadAll(() => undefined);
    const hits = server.hits.get(bundle.manifest.shards[0]!.file);
    const progress: BundleProgress[] = [];
    const again = await open({ cache: true, store, onProgress: (step) => progress.push(step) });
    await again.loadAll(() => undefined);
    expect(server.hits.get(bundle.manifest.shards[0]!.file)).toBe(hits);
    expect(progress.at(-1)!.bytesFromCache).toBe(progress.at(-1)!.bytesLoaded);
  });
});

describe('without network', () => {
  const quick = { attempts: 1, baseMs: 1 };
  const silence = () => server.close();
  const online = async (store: ShardStore) => {
    const opened = await open({ cache: true, store });
    await opened.loadAll(() => undefined);
    await opened.check();
    await opened.keepManifest();
    return opened;
  };

  it('everything that was loaded once is there: manifest, labels, shards, known answers', async () => {
    const store = memoryStore();
    const first = await online(store);
    await silence();
    const again = await open({ cache: true, store, retry: quick });
    expect([again.manifestFrom, again.url]).toEqual(['store', first.url]);
    expect([again.manifest, again.labels]).toEqual([first.manifest, first.labels]);
    const seen: string[] = [];
    await again.loadAll(({ file }) => void seen.push(file));
    expect(seen).toEqual(bundle.manifest.shards.map(({ file }) => file));
    expect((await again.check()).batch).toBe(2);
  });

  it('nothing is made up: a manifest never kept, a shard never loaded', async () => {
    const store = memoryStore();
    const opened = await open({ cache: true, store });
    await opened.loadShard(bundle.manifest.shards[0]!);
    await silence();
    await expectError(() => open({ cache: true, store, retry: quick }), 'network', 'manifest.json');
    await opened.keepManifest();
    const again = await open({ cache: true, store, retry: quick });
    await again.loadShard(bundle.manifest.shards[0]!);
    await expectError(() => again.loadShard(bundle.manifest.shards[1]!), 'network', bundle.manifest.shards[1]!.file);
  });

  it('a kept manifest is checked like any other', async () => {
    const store = memoryStore();
    await store.keepManifest(`${server.url}manifest.json`, { json: { format: 'damaged' }, url: `${server.url}manifest.json` });
    await silence();
    await expectError(() => open({ cache: true, store, retry: quick }), 'bundle-invalid', 'format');
  });

  it('where there is one, it says what is current', async () => {
    const store = memoryStore();
    await online(store);
    const newer = await makeBundle(2, 'newer');
    serve(newer.files);
    expect((await open({ cache: true, store })).manifest.name).toBe('newer');
    server.on('manifest.json', status(404));
    await expectError(() => open({ cache: true, store }), 'network', 'answered 404');
    server.on('manifest.json', status(503));
    expect(await open({ cache: true, store, retry: quick })).toMatchObject({
      manifestFrom: 'store',
      manifest: { name: 'memory' },
    });
  });

  it('is not asked for what ran before, while that is what is kept', async () => {
    const store = memoryStore();
    const { manifest } = await online(store);
    const newer = await makeBundle(2, 'newer');
    serve(newer.files);
    const asked = server.hits.get('manifest.json');
    const again = await open({ cache: true, store, hash: await bundleHash(manifest) });
    expect([again.manifestFrom, again.manifest.name]).toEqual(['store', 'memory']);
    expect(server.hits.get('manifest.json')).toBe(asked);
    expect((await open({ cache: true, store, hash: await bundleHash(newer.manifest) })).manifest.name).toBe('newer');
  });

  it('is what a copy is not used for where caching is off', async () => {
    await online(memoryStore());
    await silence();
    await expectError(() => open({ retry: quick }), 'network', 'manifest.json');
  });
});

describe('check', () => {
  const tensors = (image: TensorInput | undefined, logits: TensorInput | undefined) => {
    const map = new Map<string, TensorInput>();
    if (logits !== undefined) map.set('logits', logits);
    if (image !== undefined) map.set('image', image);
    return withFile('check', writeSafetensors(map));
  };
  const image = (...shape: number[]): TensorInput => ({
    dtype: 'U8',
    shape,
    data: new Uint8Array(shape.reduce((a, b) => a * b, 1)),
  });
  const logits = (fill: number, ...shape: number[]): TensorInput => {
    return { dtype: 'F32', shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(fill) };
  };

  it('gives images and answers', async () => {
    const check = await (await open()).check();
    expect([check.image.length, check.logits.length, check.batch]).toEqual([2 * 8 * 8 * 3, 2 * 2 * 5, 2]);
    expect([check.routes, check.tolerance]).toEqual([['w8', 'w16.2+w24.2'], 0.005]);
    expect(check.image.some((value) => value > 127) && check.logits.some((value) => value > 1)).toBe(true);
  });

  it.each<[what: string, image: TensorInput | undefined, logits: TensorInput | undefined, message: string]>([
    ['no image', undefined, logits(0, 2, 0, 5), 'image is missing'],
    ['an empty batch', image(0, 8, 8, 3), logits(0, 2, 0, 5), 'image is U8 [0, 8, 8, 3]'],
    ['images of another size', image(1, 8, 9, 3), logits(0, 2, 1, 5), 'It must be U8 [B, size, size, 3]'],
    ['no answers', image(1, 8, 8, 3), undefined, 'logits is missing'],
    ['answers for another number of routes', image(1, 8, 8, 3), logits(0, 3, 1, 5), 'here [2, 1, 5]'],
    ['answers that are no numbers', image(1, 8, 8, 3), logits(NaN, 2, 1, 5), 'logits[0] is NaN'],
    ['too many images', image(300, 8, 8, 3), logits(0, 2, 300, 5), 'at most 256'],
  ])('refuses %s', async (_, one, two, message) => {
    await tensors(one, two);
    const opened = await open();
    await expectError(() => opened.check(), 'bundle-invalid', 'Check vectors check.safetensors', message);
  });
});

const TINY = fileURLToPath(new URL('../../fixtures/tiny/', import.meta.url));
describe.runIf(existsSync(`${TINY}manifest.json`))('the tiny fixture', () => {
  it('opens, loads and holds every tensor of every unit', async () => {
    const { labels, shards, check } = JSON.parse(readFileSync(`${TINY}manifest.json`, 'utf8')) as Manifest;
    const names = ['manifest.json', ...[labels, ...shards, check].map(({ file }) => file)];
    serve(new Map(names.map((name) => [name, readFileSync(TINY + name)])), 'tiny/');
    const opened = await openBundle(`${server.url}tiny/manifest.json`, { retry, cache: false });
    await opened.loadAll((spec, tensors) => {
      for (const unit of spec.units) requiredTensors(opened.manifest, unit, tensors);
    });
    expect((await opened.check()).batch).toBeGreaterThan(0);
  });
});
