/** What the engine needs of a thing that computes. Two live behind it: `gpu/` and `reference/`. */
import type { RouteSpec } from '../bundle/manifest';
import type { TensorView } from '../bundle/safetensors';
import type { ExecutorKind, Timing } from '../core/types';
import type { EngineFrame, EngineStats } from './api';

export interface RunResult {
  /** Best first; softmax over all classes. */
  readonly top: { readonly index: number; readonly probability: number }[];
  readonly timing: Timing;
}

export interface Executor {
  readonly kind: ExecutorKind;
  /** Takes over the tensors of whole units (docs/bundle-format.md). The views may be released afterwards. */
  addUnits(units: readonly string[], tensors: ReadonlyMap<string, TensorView>): Promise<void>;
  /** Makes all that these routes need; their units must be there. Afterwards no frame creates anything. */
  prepare(routes: readonly RouteSpec[]): Promise<void>;
  /** Logits [classes] of normalised pixels [3, size, size]; for checks and tests. */
  logits(route: string, pixels: Float32Array): Promise<Float32Array>;
  /** Best `TOP_K` (core/topk.ts) classes of one frame. The caller closes the frame. */
  run(route: string, frame: EngineFrame): Promise<RunResult>;
  stats(): EngineStats;
  dispose(): void;
}
