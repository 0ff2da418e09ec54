/** The manifest, `running-stitch/1`. Fields, units and shards: docs/bundle-format.md. Types only. */
import type { ExecutorKind, RoutePath } from '../core/types';

export const FORMAT = 'running-stitch/1';

/** A file of the bundle with what is needed to trust it. `file` is relative to the manifest. */
export interface FileRef {
  readonly file: string;
  readonly bytes: number;
  /** 64 lower-case hex digits. */
  readonly sha256: string;
}

export interface InputSpec {
  /** Network input, pixels a side. */
  readonly size: number;
  /** Central share of the shorter side that is kept, 0 < crop ≤ 1. */
  readonly crop: number;
  readonly filter: 'bilinear' | 'bicubic';
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/** Shape of a plain vision transformer. `dim`, `mlp` and `dim / heads` are multiples of 4. */
export interface VitConfig {
  readonly dim: number;
  readonly depth: number;
  readonly heads: number;
  readonly mlp: number;
  readonly patch: number;
  readonly eps: number;
}

export interface AnchorSpec {
  readonly id: string;
  readonly name: string;
  readonly config: VitConfig;
}

export interface StitchSpec {
  readonly id: string;
  readonly from: string;
  readonly to: string;
}

export interface RouteSpec {
  readonly id: string;
  readonly path: RoutePath;
  /** Whether the last anchor's final LayerNorm runs on this route (snnet.md 0.1: not on official DeiT stitches). */
  readonly finalNorm: boolean;
  readonly macs: number;
  readonly top1?: number;
  readonly top5?: number;
  readonly loss?: number;
}

export interface ShardSpec extends FileRef {
  /** Units this shard holds, e.g. `anchors.w64.blocks.3`. */
  readonly units: readonly string[];
}

export interface CheckSpec extends FileRef {
  readonly routes: readonly string[];
  /** Largest absolute logit difference that passes. */
  readonly tolerance: number;
}

/** Shares of 1, and mean cross-entropy. */
export interface Accuracy {
  readonly top1: number;
  readonly top5: number;
  readonly loss: number;
}

/** Of a bundle whose weights were rounded again: to what, and what it cost on labelled images. */
export interface QuantizationSpec {
  readonly weights: 'int8' | 'f16';
  /** How many images; 0: the cost was not measured. */
  readonly images: number;
  /** The images' folder or file. */
  readonly set?: string;
  /** The routes that were measured. */
  readonly routes: readonly { readonly id: string; readonly before: Accuracy; readonly after: Accuracy }[];
}

/** Latencies of routes as measured on one device, by `profile`. */
export interface PriorsSpec {
  readonly executor: ExecutorKind;
  /** Vendor, architecture and description of the GPU; absent where none took part. */
  readonly adapter?: string;
  /** Day of the measurement, YYYY-MM-DD. */
  readonly date: string;
  /** Frames a route that the medians rest on. */
  readonly frames: number;
  /** `spreadMs`: between the quartiles. */
  readonly routes: readonly { readonly route: string; readonly medianMs: number; readonly spreadMs?: number }[];
}

export interface Manifest {
  readonly format: typeof FORMAT;
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly sources: readonly string[];
  readonly family: 'vit';
  readonly input: InputSpec;
  readonly classes: number;
  readonly labels: FileRef;
  readonly anchors: readonly AnchorSpec[];
  readonly stitches: readonly StitchSpec[];
  readonly routes: readonly RouteSpec[];
  readonly shards: readonly ShardSpec[];
  readonly check: CheckSpec;
  readonly quantization?: QuantizationSpec;
  /** One a device that the bundle was profiled on. */
  readonly priors?: readonly PriorsSpec[];
}
