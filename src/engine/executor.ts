/** What the engine needs of a thing that computes. Two live behind it: `gpu/` and `reference/`. */
import type { RouteSpec } from '../bundle/manifest';
import type { TensorView } from '../bundle/safetensors';
import type { StitchError } from '../core/errors';
import type { ExecutorKind, Timing } from '../core/types';
import type { AdapterSummary, DeviceLoss, EngineFrame, EngineStats } from './api';

export interface RunResult {
  /** Best first; softmax over all classes. */
  readonly top: { readonly index: number; readonly probability: number }[];
  readonly timing: Timing;
}

/** Lets others have their turn in the middle of something long. */
export type Pause = () => Promise<void>;

export interface Executor {
  readonly kind: ExecutorKind;
  /** How many frames may be on their way at once. */
  readonly framesInFlight: number;
  /** Where it runs on a GPU. */
  readonly adapter?: AdapterSummary;
  /** Resolves when its device is lost by other than `dispose`. Absent where there is none to lose. */
  readonly lost?: Promise<DeviceLoss>;
  /** Takes over the tensors of whole units (docs/bundle-format.md). The views may be released afterwards. Frames may run in a pause. */
  addUnits(units: readonly string[], tensors: ReadonlyMap<string, TensorView>, pause?: Pause): Promise<void>;
  /** Makes all that these routes need, and keeps what others made; their units must be there. Afterwards no frame creates anything. */
  prepare(routes: readonly RouteSpec[]): Promise<void>;
  /** Logits [classes] of normalised pixels [3, size, size]; for checks and tests. */
  logits(route: string, pixels: Float32Array): Promise<Float32Array>;
  /** As `logits`, in pieces: frames may run in a pause. One such call at a time. Errors: those of `pause` too. */
  logitsInPieces(route: string, pixels: Float32Array, pause: Pause): Promise<Float32Array>;
  /** Best `TOP_K` (core/topk.ts) classes of one frame. The caller closes the frame. Answers come in the order of the calls. */
  run(route: string, frame: EngineFrame): Promise<RunResult>;
  /** Pictures that `runBatch` takes at most; 1 where many together are no faster than one by one. */
  readonly batchSize: number;
  /**
   * Best classes of 1…`batchSize` pictures, in order; a picture that cannot be read has its error instead. Runs alone. The caller
   * closes the frames.
   */
  runBatch(route: string, frames: readonly EngineFrame[]): Promise<(RunResult['top'] | StitchError)[]>;
  stats(): EngineStats;
  dispose(): void;
}
