/** The weight store against the browser's own IndexedDB. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { clear, createStore, get, keys, set } from 'idb-keyval';
import { sha256Hex } from '../../../src/bundle/hash';
import { openStore, type ShardStore } from '../../../src/bundle/store';

const NONE: ReadonlySet<string> = new Set();
const bytesOf = (fill: number, length = 1000) => new Uint8Array(length).fill(fill);

let database: string;
let store: ShardStore;
let count = 0;
/** The database behind the store's back. */
const raw = () => createStore(database, 'shards');
const names = async () => (await keys<string>(raw())).map((key) => key.split(':')[0]!).toSorted((a, b) => a.localeCompare(b));
const keep = async (fill: number, length?: number) => {
  const bytes = bytesOf(fill, length);
  const sha256 = await sha256Hex(bytes);
  return { bytes, ref: { bytes: bytes.length, sha256 }, status: await store.put(sha256, bytes, NONE) };
};

beforeEach(() => {
  database = `test-store-${Date.now()}-${count++}`;
  store = openStore(database);
});
afterEach(() => {
  vi.restoreAllMocks();
  indexedDB.deleteDatabase(database);
});

describe('the store', () => {
  it('gives back what it was given, in a later session too', async () => {
    const { bytes, ref, status } = await keep(7);
    expect(status).toBe('stored');
    expect(await store.get(ref)).toEqual({ status: 'hit', bytes });
    expect(await openStore(database).get(ref)).toEqual({ status: 'hit', bytes });
    expect(store.problem).toBeUndefined();
  });

  it('misses what it never had', async () => {
    expect(await store.get({ bytes: 1, sha256: 'f'.repeat(64) })).toEqual({ status: 'miss' });
  });

  it('keeps a view without the buffer around it', async () => {
    const around = bytesOf(3, 100_000);
    const view = around.subarray(10, 20);
    const sha256 = await sha256Hex(view);
    await store.put(sha256, view, NONE);
    const kept = await get<ArrayBuffer>(`data:${sha256}`, raw());
    expect(kept!.byteLength).toBe(10);
    expect((await store.get({ bytes: 10, sha256 })).bytes).toEqual(view);
  });

  it.each<[what: string, damage: (key: string) => Promise<void>]>([
    ['a flipped bit', (key) => set(key, bytesOf(7).fill(8, 500, 501).buffer, raw())],
    ['a truncated record', (key) => set(key, bytesOf(7, 999).buffer, raw())],
    ['a record of another kind', (key) => set(key, 'text', raw())],
    ['a record that is gone', (key) => set(key, undefined, raw())],
  ])('finds and drops %s', async (_, damage) => {
    const { bytes, ref } = await keep(7);
    await damage(`data:${ref.sha256}`);
    expect(await store.get(ref)).toEqual({ status: 'corrupt' });
    expect(await names()).toEqual([]);
    expect(await store.get(ref)).toEqual({ status: 'miss' });
    await store.put(ref.sha256, bytes, NONE);
    expect((await store.get(ref)).status).toBe('hit');
  });

  it('does not take data without a ledger entry for a shard', async () => {
    const bytes = bytesOf(9);
    const sha256 = await sha256Hex(bytes);
    await set(`data:${sha256}`, bytes.buffer, raw());
    expect((await store.get({ bytes: 1000, sha256 })).status).toBe('miss');
    expect(await store.usage()).toEqual({ shards: 0, bytes: 0 });
  });

  it('writes the ledger entry last', async () => {
    const order: string[] = [];
    const put = IDBObjectStore.prototype.put;
    vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (
      this: IDBObjectStore,
      value: unknown,
      key?: IDBValidKey,
    ) {
      order.push((key as string).split(':')[0]!);
      return put.call(this, value, key);
    });
    await keep(1);
    expect(order).toEqual(['data', 'ledger']);
  });

  it('counts, deletes and clears', async () => {
    const { ref } = await keep(1, 100);
    await keep(2, 50);
    expect(await store.usage()).toEqual({ shards: 2, bytes: 150 });
    expect(await store.delete(ref.sha256)).toBe(true);
    expect(await store.usage()).toEqual({ shards: 1, bytes: 50 });
    await store.clear();
    expect(await store.usage()).toEqual({ shards: 0, bytes: 0 });
    expect(await names()).toEqual([]);
  });
});

describe('a full disk', () => {
  const isData = (key: unknown) => typeof key === 'string' && key.startsWith('data:');
  /** The browser's answer while the store holds `room` data records or more. */
  const fillUpAt = (room: number) => {
    const put = IDBObjectStore.prototype.put;
    let held = room;
    const free = IDBObjectStore.prototype.delete;
    vi.spyOn(IDBObjectStore.prototype, 'delete').mockImplementation(function (
      this: IDBObjectStore,
      key: IDBValidKey | IDBKeyRange,
    ) {
      if (isData(key)) held--;
      return free.call(this, key);
    });
    vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (
      this: IDBObjectStore,
      value: unknown,
      key?: IDBValidKey,
    ) {
      if (isData(key)) {
        if (held >= room) throw new DOMException('The disk is full', 'QuotaExceededError');
        held++;
      }
      return put.call(this, value, key);
    });
  };

  it('drops shards of other bundles and tries again', async () => {
    const mine = await keep(1);
    const others = await keep(2);
    fillUpAt(2);
    const bytes = bytesOf(3);
    const sha256 = await sha256Hex(bytes);
    expect(await store.put(sha256, bytes, new Set([mine.ref.sha256]))).toBe('stored');
    expect((await store.get({ bytes: 1000, sha256 })).status).toBe('hit');
    expect((await store.get(mine.ref)).status).toBe('hit');
    expect((await store.get(others.ref)).status).toBe('miss');
  });

  it('does the same where the request fails first, and its transaction has no error yet', async () => {
    await keep(2);
    const put = IDBObjectStore.prototype.put;
    let full = true;
    vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (
      this: IDBObjectStore,
      value: unknown,
      key?: IDBValidKey,
    ) {
      const request = put.call(this, value, key);
      if (full && isData(key)) {
        full = false;
        const { transaction } = this;
        queueMicrotask(() => {
          transaction.dispatchEvent(new Event('error'));
          Object.defineProperty(transaction, 'error', { value: new DOMException('The disk is full', 'QuotaExceededError') });
          transaction.abort();
        });
      }
      return request;
    });
    const bytes = bytesOf(3);
    const sha256 = await sha256Hex(bytes);
    expect(await store.put(sha256, bytes, new Set())).toBe('stored');
    expect(store.problem).toBeUndefined();
    expect((await store.get({ bytes: 1000, sha256 })).status).toBe('hit');
    expect(await store.usage()).toMatchObject({ shards: 1 });
  });

  it('goes on without, when nothing can be dropped', async () => {
    const mine = await keep(1);
    fillUpAt(1);
    const bytes = bytesOf(3);
    const sha256 = await sha256Hex(bytes);
    expect(await store.put(sha256, bytes, new Set([mine.ref.sha256]))).toBe('quota');
    expect((await store.get({ bytes: 1000, sha256 })).status).toBe('miss');
    expect((await store.get(mine.ref)).status).toBe('hit');
    expect(store.problem).toBeUndefined();
    expect(await names()).toEqual(['data', 'ledger']);
  });
});

describe('no working database', () => {
  const broken: [what: string, open: () => IDBOpenDBRequest, problem: string][] = [
    [
      'is forbidden',
      () => {
        throw new DOMException('Storage is off', 'SecurityError');
      },
      'SecurityError: Storage is off',
    ],
    ['never answers', () => ({}) as IDBOpenDBRequest, 'did not answer within 200 ms'],
  ];
  it.each(broken)('%s: nothing is thrown, and later calls do not wait', async (_, open, problem) => {
    vi.spyOn(indexedDB, 'open').mockImplementation(open);
    const dead = openStore(database, 200);
    const bytes = bytesOf(1);
    const ref = { bytes: bytes.length, sha256: await sha256Hex(bytes) };
    expect(await dead.get(ref)).toEqual({ status: 'unavailable' });
    expect(dead.problem).toContain(problem);
    const started = performance.now();
    expect(await dead.put(ref.sha256, bytes, NONE)).toBe('unavailable');
    expect(await dead.delete(ref.sha256)).toBe(false);
    expect(performance.now() - started).toBeLessThan(100);
    await expect(dead.usage()).rejects.toMatchObject({ code: 'storage' });
    await expect(dead.clear()).rejects.toMatchObject({ code: 'storage' });
  });

  it('is also one whose upgrade was interrupted', async () => {
    await new Promise((resolve) => {
      const request = indexedDB.open(database);
      request.addEventListener('success', () => resolve(request.result.close()));
    });
    expect((await store.get({ bytes: 1, sha256: 'f'.repeat(64) })).status).toBe('unavailable');
    expect(store.problem).toContain('NotFoundError');
    await expect(clear(raw())).rejects.toThrow();
  });
});
