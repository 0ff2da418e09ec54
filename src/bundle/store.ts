/**
 * Shards kept in IndexedDB, by hash, and manifests, by address. The device's profiles lie beside them
 * (runtime/profile-store.ts).
 *
 * A shard is two records: its bytes, then a small ledger entry. Only what the ledger names exists, so an interrupted write
 * leaves nothing that could pass for a shard; and whatever is read is hashed again before it is trusted. The store is an
 * accelerator: reading and writing never throw, they say what happened and the runtime goes on uncached.
 */
import { clear, createStore, del, delMany, getMany, keys, type UseStore } from 'idb-keyval';
import { StitchError } from '../core/errors';
import { withPatience } from '../core/patience';
import { sha256Hex } from './hash';
import type { FileRef } from './manifest';

/** What became of a read: `corrupt` was found damaged and deleted; `unavailable` means that there is no working store. */
export type StoreRead =
  | { readonly status: 'hit'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly status: 'miss' | 'corrupt' | 'unavailable'; readonly bytes?: undefined };

/** What became of a write: `quota` means that there was no room even after other bundles' shards were dropped. */
export type StoreWrite = 'stored' | 'quota' | 'unavailable';

export interface StoreUsage {
  readonly shards: number;
  readonly bytes: number;
}

export interface KeptManifest {
  readonly json: unknown;
  /** After redirects. */
  readonly url: string;
}

export interface ShardStore {
  get(ref: Pick<FileRef, 'bytes' | 'sha256'>): Promise<StoreRead>;
  /** Keeps verified bytes. `keep`: hashes that must not be dropped to make room (the current bundle's). */
  put(sha256: string, bytes: Uint8Array<ArrayBuffer>, keep: ReadonlySet<string>): Promise<StoreWrite>;
  /** True when it is gone for certain. */
  delete(sha256: string): Promise<boolean>;
  /** The manifest last kept under this address; not validated. Never rejects. */
  manifest(address: string): Promise<KeptManifest | undefined>;
  /** Never rejects. */
  keepManifest(address: string, manifest: KeptManifest): Promise<void>;
  /** Errors: storage. */
  usage(): Promise<StoreUsage>;
  /** Drops everything, the device's profiles included. Errors: storage. */
  clear(): Promise<void>;
  /** Why nothing is cached any more; undefined while the store works. */
  readonly problem: string | undefined;
}

interface LedgerEntry {
  readonly bytes: number;
  /** Date.now() of the write. */
  readonly savedAt: number;
}

const DATABASE = 'running-stitch';
/** A database that does not answer (blocked upgrade, browser bug) must not hold up loading. */
const PATIENCE_MS = 5000;
const DATA = 'data:';
const LEDGER = 'ledger:';
const MANIFEST = 'manifest:';

/** Opens lazily: nothing is touched before the first call. `database` and `patienceMs` are for tests. */
export function openStore(database: string = DATABASE, patienceMs: number = PATIENCE_MS): ShardStore {
  return new IdbShardStore(database, patienceMs);
}

/**
 * idb-keyval's `set`, but rejecting with why the transaction was aborted: where quota fails the request itself (Safari, and the
 * specification), `set` rejects before its transaction has an error, with null.
 */
const set = (key: string, value: unknown, idb: UseStore): Promise<void> =>
  idb('readwrite', (table) => {
    const { transaction } = table;
    return new Promise((resolve, reject) => {
      transaction.addEventListener('complete', () => resolve());
      transaction.addEventListener('abort', () => reject(transaction.error ?? new Error('The write was aborted.')));
      table.put(value, key);
    });
  });

class IdbShardStore implements ShardStore {
  problem: string | undefined;
  private readonly database: string;
  private readonly patienceMs: number;
  private opened: UseStore | undefined;

  constructor(database: string, patienceMs: number) {
    this.database = database;
    this.patienceMs = patienceMs;
  }

  async get({ bytes: size, sha256 }: Pick<FileRef, 'bytes' | 'sha256'>): Promise<StoreRead> {
    try {
      const [entry, data] = await this.attempt((idb) => getMany<unknown>([LEDGER + sha256, DATA + sha256], idb));
      // Without an entry the data, if any, are the rest of an interrupted write; the next put replaces them.
      if (entry === undefined) return { status: 'miss' };
      if (data instanceof ArrayBuffer && data.byteLength === size) {
        const bytes = new Uint8Array(data);
        if ((await sha256Hex(bytes)) === sha256) return { status: 'hit', bytes };
      }
      await this.delete(sha256);
      return { status: 'corrupt' };
    } catch (error) {
      return { status: this.giveUp(error) };
    }
  }

  async put(sha256: string, bytes: Uint8Array<ArrayBuffer>, keep: ReadonlySet<string>): Promise<StoreWrite> {
    try {
      // A view of a larger buffer would be cloned with all of that buffer.
      const data = bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
      try {
        await this.write(sha256, data);
      } catch (error) {
        if (!isQuota(error)) throw error;
        await this.evictExcept(new Set([...keep, sha256]));
        await this.write(sha256, data);
      }
      return 'stored';
    } catch (error) {
      if (!isQuota(error)) return this.giveUp(error);
      await this.delete(sha256);
      return 'quota';
    }
  }

  async delete(sha256: string): Promise<boolean> {
    try {
      // One transaction: never an entry without its data.
      await this.attempt((idb) => delMany([LEDGER + sha256, DATA + sha256], idb));
      return true;
    } catch (error) {
      this.giveUp(error);
      return false;
    }
  }

  async manifest(address: string): Promise<KeptManifest | undefined> {
    try {
      const [kept] = await this.attempt((idb) => getMany<Partial<KeptManifest> | undefined>([MANIFEST + address], idb));
      return typeof kept?.url === 'string' ? { json: kept.json, url: kept.url } : undefined;
    } catch (error) {
      this.giveUp(error);
      return undefined;
    }
  }

  async keepManifest(address: string, manifest: KeptManifest): Promise<void> {
    try {
      await this.attempt((idb) => set(MANIFEST + address, manifest, idb));
    } catch (error) {
      // A manifest is small; where even that has no room, the next start needs the network.
      if (!isQuota(error)) this.giveUp(error);
    }
  }

  async usage(): Promise<StoreUsage> {
    try {
      const names = (await this.names()).filter((name) => name.startsWith(LEDGER));
      const entries = await this.attempt((idb) => getMany<LedgerEntry | undefined>(names, idb));
      return { shards: names.length, bytes: entries.reduce((sum, entry) => sum + (entry?.bytes ?? 0), 0) };
    } catch (error) {
      throw this.storageError('The use of the weight store could not be read', error);
    }
  }

  async clear(): Promise<void> {
    try {
      await this.attempt((idb) => clear(idb));
    } catch (error) {
      throw this.storageError('The weight store could not be cleared', error);
    }
  }

  private async write(sha256: string, data: ArrayBuffer): Promise<void> {
    const entry: LedgerEntry = { bytes: data.byteLength, savedAt: Date.now() };
    // While the data are replaced there is no entry; it is written last.
    await this.attempt((idb) => del(LEDGER + sha256, idb));
    await this.attempt((idb) => set(DATA + sha256, data, idb));
    await this.attempt((idb) => set(LEDGER + sha256, entry, idb));
  }

  private async evictExcept(keep: ReadonlySet<string>): Promise<void> {
    const names = await this.names();
    const isShard = (name: string) => name.startsWith(DATA) || name.startsWith(LEDGER);
    const hashOf = (name: string) => name.slice(name.indexOf(':') + 1);
    await this.attempt((idb) =>
      delMany(
        names.filter((name) => isShard(name) && !keep.has(hashOf(name))),
        idb,
      ),
    );
  }

  private async names(): Promise<string[]> {
    return (await this.attempt((idb) => keys<IDBValidKey>(idb))).filter((key) => typeof key === 'string');
  }

  /** Runs one operation against the database with bounded patience. */
  private async attempt<T>(operation: (idb: UseStore) => Promise<T>): Promise<T> {
    if (this.problem !== undefined) throw new Error(this.problem);
    // Inside the try of every caller: in a sandboxed frame or a hardened browser the mere access throws.
    this.opened ??= createStore(this.database, 'shards');
    return withPatience(operation(this.opened), this.patienceMs, 'IndexedDB');
  }

  /** After a failure other than quota the store is left alone: one wait for a dead database is enough. */
  private giveUp(error: unknown): 'unavailable' {
    this.problem ??= error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return 'unavailable';
  }

  private storageError(what: string, error: unknown): StitchError {
    const problem = error instanceof Error ? error.message : String(error);
    return new StitchError(
      'storage',
      `${what}: ${problem}. Allow site data for this page; it works uncached without.`,
      {},
      error,
    );
  }
}

/** Old engines report a full disk as a plain name, new ones as an own class; both carry this name. */
const isQuota = (error: unknown): boolean => error instanceof Error && error.name === 'QuotaExceededError';
