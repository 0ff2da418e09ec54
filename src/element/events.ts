/**
 * The element's events, typed. None bubbles; `detail` is what the runtime's event of the same name carries, of `ready` the runtime
 * itself, of `statechange` the state.
 */
import type { Decision } from '../control/types';
import type { StitchError } from '../core/errors';
import type { LoadProgress } from '../engine/api';
import type { Classification, Runtime } from '../runtime/api';

/** Waiting to be seen; loading; classifying; loaded but out of sight or without a picture; ended by an error. */
export type ElementState = 'idle' | 'loading' | 'running' | 'paused' | 'error';

export interface RunningStitchEventMap {
  progress: CustomEvent<LoadProgress>;
  ready: CustomEvent<Runtime>;
  result: CustomEvent<Classification>;
  switch: CustomEvent<Decision>;
  statechange: CustomEvent<ElementState>;
  error: CustomEvent<StitchError>;
}
