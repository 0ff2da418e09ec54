/** The boundary between page and worker: types only, imported by both sides, importing neither. */
import type { WireError } from '../core/errors';
import type { AnchorInfo, BackendChoice, ExecutorKind, PixelFrame, RouteInfo, Timing } from '../core/types';

export interface LoadRequest {
  /** Absolute URL of manifest.json. */
  readonly manifestUrl: string;
  readonly backend: BackendChoice;
  /** Keep shards in IndexedDB. */
  readonly cache: boolean;
  readonly limits: LoadLimits;
  /** This route must be runnable before `load` resolves, beside the first one in download order. Unknown ones are ignored. */
  readonly route?: string;
  /** `bundle.hash` of what ran before: that bundle is loaded, from what is kept of it where it is, whatever its server has by now. */
  readonly hash?: string | undefined;
  /** Executors that failed here before; a forced backend is not affected. */
  readonly exclude?: readonly ExecutorKind[];
}

/** What the page knows that bounds how much is loaded. The smallest anchor always is. */
export interface LoadLimits {
  /** Id of the largest anchor that the host wants. */
  readonly maxAnchor?: string;
  /** Bytes that the weights may take in memory. */
  readonly memoryBytes?: number;
  /** The user saves data, or the link is mobile or slow: nothing beyond `meteredAnchor`. */
  readonly saveData?: boolean;
  /** Id of an anchor; default: the smallest. */
  readonly meteredAnchor?: string;
  /** Id of the anchor whose load ended the page last time: only smaller ones. */
  readonly crashedAt?: string;
}

/** An anchor with the stitches that lead into it: what is loaded, or left out, as a whole. */
export interface LoadTier {
  readonly anchor: string;
  /** Bytes to download. */
  readonly bytes: number;
  /** Whether it is loaded without being asked for. */
  readonly planned: boolean;
  /** Why not, where it is not. */
  readonly limit?: 'asked' | 'memory' | 'save-data' | 'crash';
}

/** News of a load: progress, and the routes that can run from now on. */
export interface LoadStep {
  readonly progress: LoadProgress;
  /** Ids of routes that this step unlocked; mostly none. */
  readonly unlocked: readonly string[];
  /** Present with `unlocked`: the known-answer check of all routes so far. */
  readonly check?: CheckReport;
}

export interface LoadProgress {
  readonly phase: 'manifest' | 'shards' | 'compile' | 'check' | 'measure' | 'ready';
  readonly bytesLoaded: number;
  readonly bytesTotal: number;
  /** Bytes of `bytesLoaded` that came from the store. */
  readonly bytesFromCache: number;
  /** Milliseconds until the planned bytes are here, at the pace of the last seconds; absent while no pace is known. */
  readonly etaMs?: number;
  /** Why what arrives is not kept for the next start; absent where it is, or where that was not asked for. */
  readonly cacheProblem?: string;
}

export interface AdapterSummary {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  /** A software adapter (SwiftShader, WARP, llvmpipe). */
  readonly software: boolean;
  readonly timestamps: boolean;
}

/** Latencies of one route, measured in the worker. */
export interface RouteTiming {
  readonly route: string;
  /** One a frame, without the first frame, which pays for cold caches. */
  readonly samplesMs: readonly number[];
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
  /** How many frames may be on their way at once. */
  readonly framesInFlight: number;
  /** How many photos `classifyBatch` takes at most. */
  readonly batchSize: number;
  /** One sentence: why this executor and not a faster one. */
  readonly reason: string;
  readonly adapter?: AdapterSummary;
  readonly bundle: {
    readonly name: string;
    readonly version: string;
    readonly license: string;
    readonly sources: readonly string[];
    /** SHA-256 of the validated manifest, and so of everything in the bundle. */
    readonly hash: string;
  };
  /** `store`: there was no network, or this ran before, and what was kept serves. */
  readonly manifestFrom: 'network' | 'store';
  readonly inputSize: number;
  readonly labels: readonly string[];
  readonly anchors: readonly AnchorInfo[];
  /** Every route of the bundle, runnable or not. */
  readonly routes: readonly RouteInfo[];
  /** Ids of the routes that can run now. */
  readonly ready: readonly string[];
  /** Smallest anchor first. */
  readonly tiers: readonly LoadTier[];
  /** Latencies that the bundle's maker measured, ms: of another device, so only their ratios mean something here. */
  readonly priors?: readonly { readonly route: string; readonly medianMs: number }[];
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

/** Best classes of a photo, best first, or why it could not be read. */
export type PhotoResult = { readonly top: FrameResult['top'] } | { readonly error: WireError };

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
  /**
   * Opens the bundle, picks an executor, and loads, builds and checks the first routes: the smallest anchor's, as a rule.
   * Errors: bundle-*, network, unsupported, device-lost, argument-invalid (maxAnchor, meteredAnchor), aborted.
   */
  load(request: LoadRequest, onProgress: (progress: LoadProgress) => void): Promise<EngineInfo>;
  /**
   * Loads the tiers up to `anchor`, in the gaps between frames. What is there already is not loaded again. Resolves with what the
   * last step said, too, because steps come by another port and may come later. Errors: as `load`, busy (another load runs), disposed; what was unlocked before stays.
   */
  loadMore(anchor: string, onStep: (step: LoadStep) => void): Promise<Pick<EngineInfo, 'ready' | 'check'>>;
  /** Makes a running `load` or `loadMore` reject with `aborted`. */
  cancelLoad(): void;
  /** Errors: frame-invalid, route-unknown, busy (as many frames at once as the executor takes), device-lost, disposed. */
  classify(frame: EngineFrame, route: string, seq: number): Promise<FrameResult>;
  /** 1…`batchSize` photos at once, in order. Errors: as `classify`, but for frame-invalid, which is the photo's. */
  classifyBatch(frames: readonly EngineFrame[], route: string): Promise<readonly PhotoResult[]>;
  /** Latencies of each route over `frames` synthetic frames, the ones after a first that does not count. Errors as `classify`. */
  calibrate(routes: readonly string[], frames: number): Promise<readonly RouteTiming[]>;
  selfCheck(): Promise<CheckReport>;
  stats(): Promise<EngineStats>;
  /** Resolves once when the GPU device is lost by other than `dispose`. */
  whenLost(): Promise<DeviceLoss>;
  dispose(): Promise<void>;
}
