/** When the device is measured: behind the scenes where something is known to be wrong with the profile, and on demand. */
import type { DeviceProfile } from '../control/types';
import { asStitchError } from '../core/errors';
import type { EngineInfo } from '../engine/api';
import type { CalibrateOptions } from './api';
import { profileKey, refinedProfile, thoroughProfile } from './calibrate';
import type { EngineHost } from './heal';
import type { Lock } from './lock';

export interface MeasuringParts {
  readonly host: EngineHost;
  readonly lock: Lock;
  /** Takes a profile of the engine that runs. Errors: disposed. */
  readonly adopt: (made: DeviceProfile) => DeviceProfile;
  readonly onError: (error: unknown) => void;
}

export interface Measuring {
  /** Measures anew between frames, unless that is under way. Never rejects. */
  refine(source?: 'measured' | 'refined'): Promise<void>;
  /** When nothing is being measured behind the scenes. */
  idle(): Promise<void>;
  /** Errors: busy, and those of `thoroughProfile`. */
  calibrate(options?: CalibrateOptions): Promise<DeviceProfile>;
}

/** Between the measurements of two routes behind the user's back. */
const PAUSE_MS = 100;

export function createMeasuring({ host, lock, adopt, onError }: MeasuringParts): Measuring {
  let refining: Promise<void> | undefined;
  /** Times of two executors make no profile: where a loss brought another one meanwhile, it is done again. */
  const ofOneExecutor = async (make: (info: EngineInfo) => Promise<DeviceProfile>): Promise<DeviceProfile> => {
    for (;;) {
      const made = await make(host.info);
      if (made.key === profileKey(host.info)) return made;
    }
  };
  // Route by route, and a frame or two in between: nobody asked for this measurement, so nobody shall wait for it.
  const visit = async <T>(work: () => Promise<T>): Promise<T> => {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    return lock.holdBehind('measuring this device', work);
  };
  return {
    refine(source = 'refined') {
      refining ??= ofOneExecutor((info) => refinedProfile(host, info, { source, visit }))
        .then(adopt)
        .then(
          () => (refining = undefined),
          (error: unknown) => {
            refining = undefined;
            onError(asStitchError(error));
          },
        );
      return refining;
    },
    idle: () => refining ?? Promise.resolve(),
    async calibrate(options) {
      return adopt(await lock.hold('being calibrated', () => ofOneExecutor((info) => thoroughProfile(host, info, options))));
    },
  };
}
