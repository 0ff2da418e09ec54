/** A stitchable family in memory: what `import` makes, `stitch` extends and `writeBundle` puts on disk. */
import type { AnchorSpec, InputSpec, QuantizationSpec, RouteSpec, StitchSpec } from '../../bundle/manifest';
import type { QuantizedRows } from '../../model/int8';

/** Row-major f32. */
export interface FloatTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
  /** Where the bundle holds it in int8: what it holds; `data` are then exactly its products. */
  readonly int8?: QuantizedRows;
}

/** Known answers (docs/bundle-format.md, Check vectors). */
export interface CheckDraft {
  /** RGB, [batch, size, size, 3]. */
  readonly image: Uint8Array;
  readonly batch: number;
  readonly routes: readonly string[];
  /** [routes, batch, classes], computed on the weights as rounded for the bundle. */
  readonly logits: Float32Array;
  /** Largest absolute logit difference that passes. */
  readonly tolerance: number;
  /** Who computed the logits, where that was this project's own reference executor; PyTorch is the better witness. */
  readonly source?: string;
}

/** Tensor names and shapes are those of docs/bundle-format.md; MACs are counted when the bundle is written. */
export interface FamilyDraft {
  name: string;
  version: string;
  license: string;
  sources: string[];
  input: InputSpec;
  classes: number;
  /** One a class, in class order. */
  labels: string[];
  /** Smallest first. */
  anchors: AnchorSpec[];
  stitches: StitchSpec[];
  routes: Omit<RouteSpec, 'macs'>[];
  tensors: Map<string, FloatTensor>;
  check?: CheckDraft;
  /** Of a family whose weights were rounded again after it was trained or measured. */
  quantization?: QuantizationSpec;
}
