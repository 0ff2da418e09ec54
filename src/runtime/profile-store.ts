/**
 * Device profiles kept in IndexedDB beside the shards (bundle/store.ts), so that the next start need not measure. An accelerator
 * like that store: where there is no database, or what it holds is no profile of these routes, there simply is none.
 */
import { createStore, get, set, type UseStore } from 'idb-keyval';
import { isProfileFor } from '../control/profile';
import type { DeviceProfile } from '../control/types';
import { withPatience } from '../core/patience';
import type { RouteInfo } from '../core/types';

/** The one database of the library, and its one table (bundle/store.ts). */
const DATABASE = 'running-stitch';
const TABLE = 'shards';
const PREFIX = 'profile:';
/** A start must not wait longer for it than measuring takes. */
const PATIENCE_MS = 1000;

export interface ProfileStore {
  /** The profile under this key, if it is one of just these routes. */
  read(key: string, routes: readonly RouteInfo[]): Promise<DeviceProfile | undefined>;
  /** Never rejects. */
  write(profile: DeviceProfile): Promise<void>;
}

/** `enabled` false: keeps and finds nothing. */
export function openProfileStore(enabled: boolean): ProfileStore {
  let opened: UseStore | undefined;
  const attempt = async <T>(operation: (table: UseStore) => Promise<T>): Promise<T | undefined> => {
    if (!enabled) return undefined;
    try {
      opened ??= createStore(DATABASE, TABLE);
      return await withPatience(operation(opened), PATIENCE_MS, 'IndexedDB');
    } catch {
      // No database, no room, or no answer: measured anew at the next start.
      return undefined;
    }
  };
  return {
    async read(key, routes) {
      const found = await attempt((table) => get<unknown>(PREFIX + key, table));
      return isProfileFor(found, key, routes) ? found : undefined;
    },
    async write(profile) {
      await attempt((table) => set(PREFIX + profile.key, profile, table));
    },
  };
}
