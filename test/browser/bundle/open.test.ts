/** Opening a bundle in a browser: real fetch semantics are tested in Node, so here the network is a map of files. */
import { createStore, keys, set } from 'idb-keyval';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openBundle, type OpenOptions } from '../../../src/bundle/open';
import type { BundleProgress } from '../../../src/bundle/progress';
import { openStore, type ShardStore } from '../../../src/bundle/store';
import { makeBundle, type MemoryBundle } from '../../unit/bundle/make-bundle';

const URL_BASE = 'https://models.example/memory/';

let bundle: MemoryBundle;
let database: string;
let store: ShardStore;
let requests: string[];
let count = 0;
const ledger = async () => (await keys<string>(createStore(database, 'shards'))).filter((key) => key.startsWith('ledger:'));
const open = (options: OpenOptions = {}) => openBundle(`${URL_BASE}manifest.json`, { store, ...options });

/** Serves the bundle's files; the file named `silent` sends 100 bytes and then nothing. */
function serve(silent?: string): void {
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
    const file = url.slice(URL_BASE.length);
    requests.push(file);
    const bytes = bundle.files.get(file);
    if (bytes === undefined) return Promise.resolve(new Response('', { status: 404 }));
    if (file !== silent) return Promise.resolve(new Response(bytes));
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(bytes.slice(0, 100));
        init.signal!.addEventListener('abort', () => controller.error(new DOMException('aborted', 'AbortError')));
      },
    });
    return Promise.resolve(new Response(body));
  });
}

beforeEach(async () => {
  bundle = await makeBundle();
  database = `test-open-${Date.now()}-${count++}`;
  store = openStore(database);
  requests = [];
  serve();
});
afterEach(() => {
  vi.unstubAllGlobals();
  indexedDB.deleteDatabase(database);
});

describe('openBundle with a store', () => {
  it('fetches every file once; a second visit fetches the manifest only', async () => {
    const load = async () => {
      const progress: BundleProgress[] = [];
      const opened = await open({ onProgress: (step) => progress.push(step) });
      let shards = 0;
      await opened.loadAll(() => void shards++);
      await opened.check();
      return { shards, last: progress.at(-1)!, problem: opened.cacheProblem };
    };
    const first = await load();
    expect(requests.toSorted()).toEqual([...bundle.files.keys()].toSorted());
    expect(first.last.bytesFromCache).toBe(0);
    requests = [];
    store = openStore(database);
    const second = await load();
    expect(requests).toEqual(['manifest.json']);
    expect(second.last).toEqual({ ...first.last, bytesFromCache: first.last.bytesTotal });
    expect([second.shards, second.problem]).toEqual([bundle.manifest.shards.length, undefined]);
  });

  it('heals a corrupted record from the network', async () => {
    await (await open()).loadAll(() => undefined);
    const { file, sha256, bytes } = bundle.manifest.shards[1]!;
    await set(`data:${sha256}`, new Uint8Array(bytes).buffer, createStore(database, 'shards'));
    requests = [];
    const opened = await open();
    await opened.loadShard(opened.manifest.shards[1]!);
    expect(requests).toEqual(['manifest.json', file]);
    expect((await store.get({ bytes, sha256 })).status).toBe('hit');
  });

  it('shares what two bundles have in common, by hash', async () => {
    await (await open()).loadAll(() => undefined);
    bundle = await makeBundle(1, 'another-name');
    requests = [];
    await (await open()).loadAll(() => undefined);
    expect(requests).toEqual(['manifest.json']);
  });

  it('leaves no ledger entry for a shard whose loading was aborted', async () => {
    const { shards, labels } = bundle.manifest;
    serve(shards[1]!.file);
    const controller = new AbortController();
    const opened = await open();
    setTimeout(() => controller.abort(), 300);
    const seen: string[] = [];
    await expect(opened.loadAll(({ file }) => void seen.push(file), controller.signal)).rejects.toMatchObject({
      code: 'aborted',
    });
    expect(seen).toEqual([shards[0]!.file]);
    const entries = await ledger();
    expect(entries).toContain(`ledger:${labels.sha256}`);
    expect(entries).toContain(`ledger:${shards[0]!.sha256}`);
    expect(entries).not.toContain(`ledger:${shards[1]!.sha256}`);
    // What the ledger does name is whole.
    for (const spec of [labels, ...shards]) {
      const named = entries.includes(`ledger:${spec.sha256}`);
      expect((await store.get(spec)).status).toBe(named ? 'hit' : 'miss');
    }
  });

  it('touches no database where caching is off', async () => {
    const spy = vi.spyOn(indexedDB, 'open');
    const opened = await openBundle(`${URL_BASE}manifest.json`, { cache: false });
    await opened.loadAll(() => undefined);
    expect(spy).not.toHaveBeenCalled();
    expect(opened.cacheProblem).toBeUndefined();
    spy.mockRestore();
  });
});
