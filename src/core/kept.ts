/**
 * What was found out about this device and need not be found out again: small records in IndexedDB, beside the shards
 * (bundle/store.ts). An accelerator like that store: where there is no database, nothing is kept and nothing found.
 */
import { createStore, get, set, type UseStore } from 'idb-keyval';
import { withPatience } from './patience';

/** The one database of the library, and its one table (bundle/store.ts). */
const DATABASE = 'running-stitch';
const TABLE = 'shards';
/** A start must not wait longer for it than finding out takes. */
const PATIENCE_MS = 1000;

export interface Kept {
  readonly enabled: boolean;
  /** Undefined where there is none. Never rejects; what it gives may be anything. */
  read(key: string): Promise<unknown>;
  /** Never rejects. */
  write(key: string, value: unknown): Promise<void>;
}

/** `enabled` false: keeps and finds nothing. */
export function openKept(enabled: boolean): Kept {
  let opened: UseStore | undefined;
  const attempt = async <T>(operation: (table: UseStore) => Promise<T>): Promise<T | undefined> => {
    if (!enabled) return undefined;
    try {
      opened ??= createStore(DATABASE, TABLE);
      return await withPatience(operation(opened), PATIENCE_MS, 'IndexedDB');
    } catch {
      // No database, no room, or no answer.
      return undefined;
    }
  };
  return {
    enabled,
    read: (key) => attempt((table) => get<unknown>(key, table)),
    write: (key, value) => attempt((table) => set(key, value, table)),
  };
}
