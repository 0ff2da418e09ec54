/**
 * The words every layer shares. Types only.
 *
 * Vocabulary: an *anchor* is one pretrained network of the family; a *stitch* is an affine map from the output of one
 * anchor's block to the input of another's; a *route* is a runnable list of anchor spans joined by stitches; a *rung* is a
 * route on the ladder (cheapest first, dominated ones removed).
 */

/** What computes: our WGSL plans on WebGPU, or the reference network on tfjs' WASM or CPU backend. */
export type ExecutorKind = 'webgpu' | 'wasm' | 'cpu';

/** `auto` takes WebGPU on a real GPU, else WASM, else CPU. Any other value forces that executor. */
export type BackendChoice = 'auto' | ExecutorKind;

/** Blocks `from`…`to` of one anchor, both inclusive, 0-based. */
export interface AnchorSpan {
  readonly anchor: string;
  readonly from: number;
  readonly to: number;
}

/** One stitching layer, applied to every token (class token included). */
export interface StitchStep {
  readonly stitch: string;
}

/** Spans joined by stitches; starts and ends with a span. */
export type RoutePath = readonly (AnchorSpan | StitchStep)[];

/** One anchor as the page may draw it. */
export interface AnchorInfo {
  readonly id: string;
  readonly name: string;
  readonly dim: number;
  readonly depth: number;
}

/** One runnable network of the bundle. */
export interface RouteInfo {
  readonly id: string;
  readonly path: RoutePath;
  /** Multiply-accumulates of one inference (docs/bundle-format.md, MACs). */
  readonly macs: number;
  /** Measured share of correct first answers, 0…1; absent where the bundle does not say. */
  readonly top1?: number;
  readonly top5?: number;
}

/** One answer of the classifier. */
export interface Prediction {
  readonly index: number;
  readonly label: string;
  /** Softmax probability over all classes, 0…1. */
  readonly probability: number;
}

/** Where a frame's time went, in milliseconds of the worker's clock. */
export interface Timing {
  /** From acceptance of the frame in the worker to the answer read back: the controlled variable. */
  readonly totalMs: number;
  /** JavaScript time to encode and submit. */
  readonly encodeMs: number;
  /** Time of the compute pass by timestamp queries; absent without the feature or on the fallback. */
  readonly gpuMs?: number;
  /** Part of `totalMs` in which the GPU was still at the frame before, which overlapped with this one; absent where none did. */
  readonly queuedMs?: number;
}

/** Pixels without a browser object: RGBA, 8 bits a channel, row-major. */
export interface PixelFrame {
  readonly data: Uint8ClampedArray | Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** What a host may ask for. */
export interface Budget {
  /** Milliseconds one inference may take, > 0. */
  readonly latencyMs: number;
  /** How much battery and heat matter. */
  readonly energy: EnergyMode;
}
export type EnergyMode = 'performance' | 'balanced' | 'saver';
