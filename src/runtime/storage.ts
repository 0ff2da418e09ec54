/** What the library keeps in this origin: weights, manifests, device profiles, and the memory of loads that went wrong. */
import { openStore } from '../bundle/store';
import { clearCrashMarks } from './crash-marker';

export interface StorageUsage {
  /** Files of bundles that are kept. */
  readonly shards: number;
  /** Bytes of those files. */
  readonly bytes: number;
  /** Bytes that the browser grants this origin in all; absent where it does not tell. */
  readonly quotaBytes?: number;
  /** Whether the browser has promised not to drop them for want of room; absent where it does not tell. */
  readonly persisted?: boolean;
}

export interface StitchStorage {
  /** Errors: storage. */
  usage(): Promise<StorageUsage>;
  /** Drops everything. A runtime that is loaded goes on; its next start loads anew. Errors: storage. */
  clear(): Promise<void>;
}

export const storage: StitchStorage = {
  async usage() {
    // Insecure pages have no manager, servers no navigator.
    const manager = (globalThis.navigator as { readonly storage?: Partial<StorageManager> } | undefined)?.storage;
    const ask = async <T>(question: (() => Promise<T>) | undefined): Promise<T | undefined> => {
      try {
        return await question?.();
      } catch {
        return undefined;
      }
    };
    const { shards, bytes } = await openStore().usage();
    const quotaBytes = (await ask(manager?.estimate?.bind(manager)))?.quota;
    const persisted = await ask(manager?.persisted?.bind(manager));
    return {
      shards,
      bytes,
      ...(quotaBytes === undefined ? {} : { quotaBytes }),
      ...(persisted === undefined ? {} : { persisted }),
    };
  },
  async clear() {
    clearCrashMarks();
    await openStore().clear();
  },
};
