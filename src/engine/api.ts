/** The boundary between page and worker: types only, imported by both sides, importing neither. */
import type { AnchorInfo, BackendChoice, ExecutorKind, PixelFrame, RouteInfo, Timing } from '../core/types';

export interface LoadRequest {
  /** Absolute URL of manifest.json. */
  readonly manifestUrl: string;
  readonly backend: BackendChoice;
  /** Keep shards in IndexedDB. */
  readonly cache: boolean;
}

export interface LoadProgress {
  readonly phase: 'manifest' | 'shards' | 'compile' | 'check' | 'measure' | 'ready';
  readonly bytesLoaded: number;
  readonly bytesTotal: number;
  /** Bytes of `bytesLoaded` that came from the store. */
  readonly bytesFromCache: number;
}

export interface AdapterSummary {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  /** A software adapter (SwiftShader, WARP, llvmpipe). */
  readonly software: boolean;
  readonly timestamps: boolean;
}

/** Median latency of one route, measured in the worker. */
export interface RouteTiming {
  readonly route: string;
  readonly medianMs: number;
  readonly frames: number;
}

/** Known-answer check: the bundle's vectors run through the chosen executor. */
export interface CheckReport {
  readonly executor: ExecutorKind;
  readonly passed: boolean;
  readonly tolerance: number;
  readonly routes: readonly { readonly route: string; readonly maxAbsError: number }[];
}

export interface EngineInfo {
  readonly executor: ExecutorKind;
  /** One sentence: why this executor and not a faster one. */
  readonly reason: string;
  readonly adapter?: AdapterSummary;
  readonly bundle: {
    readonly name: string;
    readonly version: string;
    readonly license: string;
    readonly sources: readonly string[];
  };
  readonly inputSize: number;
  readonly labels: readonly string[];
  readonly anchors: readonly AnchorInfo[];
  readonly routes: readonly RouteInfo[];
  readonly check: CheckReport;
}

/** A frame as it crosses the boundary: transferred, and closed by the receiver. */
export type EngineFrame = ImageBitmap | VideoFrame | PixelFrame;

export interface FrameResult {
  readonly seq: number;
  readonly route: string;
  readonly executor: ExecutorKind;
  /** Class index and softmax probability, best first. */
  readonly top: readonly { readonly index: number; readonly probability: number }[];
  readonly timing: Timing;
}

/** Counters for benchmarks and for the claim that a switch creates nothing. */
export interface EngineStats {
  readonly executor: ExecutorKind;
  readonly pipelines: number;
  readonly bindGroups: number;
  readonly buffers: number;
  readonly submits: number;
  readonly frames: number;
  /** Dispatches of one frame by route: network, and input + top-k apart. Empty on the fallback. */
  readonly dispatches: readonly {
    readonly route: string;
    readonly network: number;
    readonly stitches: number;
    readonly inputOutput: number;
  }[];
  readonly weightBytes: number;
  readonly tf: { readonly backend: string; readonly numTensors: number; readonly numBytes: number };
}

export interface DeviceLoss {
  readonly reason: string;
  readonly message: string;
}

export interface EngineApi {
  /** Opens the bundle, picks and checks an executor, builds every plan. Errors: bundle-*, network, unsupported, aborted. */
  load(request: LoadRequest, onProgress: (progress: LoadProgress) => void): Promise<EngineInfo>;
  /** Makes a running `load` reject with `aborted`. */
  cancelLoad(): void;
  /** Errors: frame-invalid, route-unknown, busy (one frame at a time), device-lost, disposed. */
  classify(frame: EngineFrame, route: string, seq: number): Promise<FrameResult>;
  /** Median latency of each route over `frames` synthetic frames. Errors as `classify`. */
  calibrate(routes: readonly string[], frames: number): Promise<readonly RouteTiming[]>;
  selfCheck(): Promise<CheckReport>;
  stats(): Promise<EngineStats>;
  /** Resolves once when the GPU device is lost by other than `dispose`. */
  whenLost(): Promise<DeviceLoss>;
  dispose(): Promise<void>;
}
