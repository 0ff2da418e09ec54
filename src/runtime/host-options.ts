/** What an engine host is made with, and what it tells. */
import type { StitchError } from '../core/errors';
import type { DeviceLoss, LoadProgress, LoadRequest } from '../engine/api';
import type { Healing } from './api';

export interface HostOptions {
  /** Called for every worker: a new one each time. Errors pass through. */
  readonly worker: () => Worker;
  readonly request: LoadRequest;
  readonly onProgress: (progress: LoadProgress) => void;
  /** Routes that can run have changed. */
  readonly onReady: () => void;
  readonly onLost: (loss: DeviceLoss) => void;
  readonly onHealed: (healing: Healing) => void;
  /** What a loss took away besides is there again. */
  readonly onReloaded: () => void;
  /** `final`: it cannot be mended, and every call from now on rejects with this. */
  readonly onError: (error: StitchError, final: boolean) => void;
  /** The route to go on with. */
  readonly route: () => string | undefined;
}
