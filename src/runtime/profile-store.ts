/** Device profiles, kept so that the next start need not measure. */
import { isProfileFor } from '../control/profile';
import type { DeviceProfile } from '../control/types';
import { openKept } from '../core/kept';
import type { RouteInfo } from '../core/types';

const PREFIX = 'profile:';

export interface ProfileStore {
  /** The profile under this key, if it is one of just these routes. */
  read(key: string, routes: readonly RouteInfo[]): Promise<DeviceProfile | undefined>;
  /** Never rejects. */
  write(profile: DeviceProfile): Promise<void>;
}

/** `enabled` false: keeps and finds nothing. */
export function openProfileStore(enabled: boolean): ProfileStore {
  const kept = openKept(enabled);
  return {
    async read(key, routes) {
      const found = await kept.read(PREFIX + key);
      return isProfileFor(found, key, routes) ? found : undefined;
    },
    write: (profile) => kept.write(PREFIX + profile.key, profile),
  };
}
