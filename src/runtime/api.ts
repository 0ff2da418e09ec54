/** The public API of a running network. Types only; made by `createRuntime`. */
import type { Budget, ExecutorKind, PixelFrame, Prediction, RouteInfo, Timing, AnchorInfo, BackendChoice } from '../core/types';
import type { ErrorCode, StitchError } from '../core/errors';
import type { ControlMode, Decision, DeviceProfile, PageFps, Rung, Signals, Thermal } from '../control/types';
import type { AdapterSummary, CheckReport, DeviceLoss, EngineStats, LoadProgress, LoadTier } from '../engine/api';

/** Anything that has pixels. Video and image elements are read at their current frame. */
export type FrameSource =
  | HTMLVideoElement
  | HTMLImageElement
  | HTMLCanvasElement
  | OffscreenCanvas
  | ImageBitmap
  | ImageData
  | VideoFrame
  | Blob
  | PixelFrame;

export interface RuntimeOptions {
  /** URL of the bundle's manifest.json, relative to the page. */
  readonly bundle: string | URL;
  /** Default: 33 ms, balanced. */
  readonly budget?: Partial<Budget>;
  readonly backend?: BackendChoice;
  /**
   * Host's own worker (strict CSP, special bundling); default: ours. Called again when the engine has to be started anew, so it
   * returns a new one each time.
   */
  readonly worker?: () => Worker;
  /** Keep weights and the device's profile in IndexedDB. Default true. */
  readonly cache?: boolean;
  /**
   * Load no anchor beyond this one (id). Little memory, data saving, a mobile or slow link or an earlier crash may stop before it
   * (`tiers`).
   */
  readonly maxAnchor?: string;
  /** The anchor (id) at which data saving and mobile or slow links stop. Default: the smallest. */
  readonly meteredAnchor?: string;
  /** When `createRuntime` resolves: with the first routes, or with everything planned. Default `first`. */
  readonly waitFor?: 'first' | 'all';
  /** Classify fewer frames when the page's own animation stutters. Default true. */
  readonly guardPage?: boolean;
  /** Ask the browser, after the first answer, not to drop what is cached. Default: `cache`. */
  readonly persist?: boolean;
  /** Aborts loading; after `createRuntime` has resolved, the loading of the rest, and what is there stays usable. */
  readonly signal?: AbortSignal;
  /** Until `createRuntime` resolves; later progress comes as the event `progress`. */
  readonly onProgress?: (progress: LoadProgress) => void;
}

export interface Classification {
  readonly seq: number;
  readonly route: string;
  readonly executor: ExecutorKind;
  /** The best five, best first. */
  readonly top: readonly Prediction[];
  readonly timing: Timing;
}

/** Numbers for a status line, emitted about twice a second while frames run. */
export interface Snapshot {
  readonly route: string;
  readonly p50Ms: number;
  readonly p95Ms: number;
  /** Answered frames in the last second. */
  readonly fps: number;
  /**
   * Pictures so far that came while the network was busy or resting. Of a source that is a function, as elements and hooks have, every
   * animation frame counts as one.
   */
  readonly dropped: number;
  readonly targetMs: number;
  readonly slowdown: number;
  readonly signals: Signals;
  /** Share of frames to classify, 0…1, after overload, visibility and the page-jank guard. */
  readonly duty: number;
  /**
   * Seconds in which the device worked for us, of the last minute (scaled up before a minute is over). GPU time where there are
   * timestamps, else the whole time of the frame.
   */
  readonly busySecondsPerMinute: number;
  /** What the energy mode and the battery allow of it; 60 is no limit. */
  readonly planSecondsPerMinute: number;
  readonly pageFps: PageFps;
  readonly thermal: Thermal;
}

export interface CalibrationProgress {
  /** Frames run. */
  readonly done: number;
  readonly total: number;
  /** The route that is being measured. */
  readonly route: string;
}

export interface CalibrateOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: CalibrationProgress) => void;
  /** Longest time to measure, ms; default and at most 10 000. What is not measured by then is predicted. */
  readonly maxMs?: number;
}

/** A trace being recorded. */
export interface Recording {
  /** Ends it. JSON lines, first a header, for `replay` and `npm run replay`. A second call gives the same text. */
  stop(): string;
}

export interface DeviceInfo {
  readonly executor: ExecutorKind;
  /** One sentence: why this executor. */
  readonly reason: string;
  readonly adapter?: AdapterSummary;
}

/** A route, and whether all it needs is loaded. */
export interface RouteState extends RouteInfo {
  readonly available: boolean;
}

/** The engine was lost, and works again. */
export interface Healing {
  /** From the loss to the moment when frames are answered again. */
  readonly ms: number;
  readonly why: ErrorCode;
  /** Executor before and now. They differ where one was given up for failing again and again. */
  readonly from: ExecutorKind;
  readonly executor: ExecutorKind;
}

export interface RuntimeEvents {
  result: Classification;
  /** A route or target change with its reason and numbers. */
  switch: Decision;
  /** The profile and perhaps the ladder changed: after a calibration, or because live frames had drifted from it. */
  profile: DeviceProfile;
  snapshot: Snapshot;
  /** Of what loads after `createRuntime` has resolved. */
  progress: LoadProgress;
  /** Routes became available, or after a loss fewer are for a while. The ladder follows. */
  routes: readonly RouteState[];
  /** The GPU device was lost or the worker died. It mends itself: `healed` follows, or an `error` that is not recoverable. */
  lost: DeviceLoss;
  healed: Healing;
  error: StitchError;
}

export interface ClassifyOptions {
  /** A fixed route for this frame only; default: the controller's. */
  readonly route?: string;
  readonly signal?: AbortSignal;
}

export interface PhotosOptions {
  /** Default: the most accurate one that the mode allows. */
  readonly route?: string;
  readonly signal?: AbortSignal;
}

/** One of many photos. */
export interface PhotoAnswer {
  /** Its place among the photos, from 0. */
  readonly index: number;
  readonly photo: FrameSource;
  readonly route: string;
  /** Best first; empty where there is an error. */
  readonly top: readonly Prediction[];
  /** Why this photo could not be read (frame-invalid); the others go on. */
  readonly error?: StitchError;
}

/** Answers and failures of one source only; the events `result` and `error` carry those of all. */
export interface WatchOptions {
  readonly onResult?: (result: Classification) => void;
  readonly onError?: (error: StitchError) => void;
  /** Begin the next frame while the GPU is at the last one, where that wins time. Default true. */
  readonly overlap?: boolean;
}

export interface Runtime {
  readonly device: DeviceInfo;
  readonly bundle: {
    readonly name: string;
    readonly version: string;
    readonly license: string;
    readonly sources: readonly string[];
    /** SHA-256 of the validated manifest, and so of everything in the bundle. */
    readonly hash: string;
  };
  readonly inputSize: number;
  readonly labels: readonly string[];
  readonly anchors: readonly AnchorInfo[];
  /** Every route of the bundle. Changes with `routes`. */
  readonly routes: readonly RouteState[];
  /** The plan made at the start: what is loaded by itself, and what is left out and why. What is there now: `routes`. */
  readonly tiers: readonly LoadTier[];
  /** Resolves when everything planned is loaded. Errors: network, aborted, …; what is available stays so (`detail.partial`). */
  readonly loaded: Promise<void>;
  /**
   * Loads the anchors up to this one, planned or not, while frames are answered; default: what is planned and missing, after an
   * error say, and nothing beyond. Errors: argument-invalid, and as `loaded`.
   */
  loadMore(anchor?: string): Promise<void>;
  /** The available routes worth using on this device, cheapest first, with expected ms. Changes with `profile` and `routes`. */
  readonly ladder: readonly Rung[];
  /** What every route costs on this device. */
  readonly profile: DeviceProfile;
  readonly check: CheckReport;
  /** The route of the next frame. */
  readonly route: string;
  get budget(): Budget;
  /** Assign to change, live; what it does not say stays. Errors: argument-invalid. */
  set budget(value: Partial<Budget>);
  /** Assign to lock, cap, floor or free the controller. Errors: argument-invalid, route-unknown. */
  mode: ControlMode;
  /**
   * One frame, one answer. It waits for frames before it, those of `watch` too, and while the runtime measures the device by itself.
   * Errors: frame-invalid, busy (eight wait already, a calibration, a batch), route-unknown, aborted, disposed, device-lost, worker-died.
   */
  classify(frame: FrameSource, options?: ClassifyOptions): Promise<Classification>;
  /**
   * Many photos, with throughput instead of latency in mind: on a GPU several go through the network at once, and the next ones are
   * decoded meanwhile. Answers come in order; leaving the loop ends it. No budget applies, and frames of `watch` are dropped while a
   * batch runs. A route that runs no batch on this device still gives its answers, one by one. Errors: route-unknown, busy (another
   * long call), aborted, disposed, device-lost (a loss that mends itself is waited for).
   */
  classifyAll(photos: Iterable<FrameSource> | AsyncIterable<FrameSource>, options?: PhotosOptions): AsyncGenerator<PhotoAnswer>;
  /**
   * Continuous: newest frame only, one at a time (on a GPU the next one sets out shortly before the answer); old frames are dropped
   * and counted. Returns stop. While the page is hidden there are no new pictures, so nothing runs. A function is asked for each
   * picture; what it returns stays its own: a copy or clone is classified, so a VideoFrame that it makes is its to close, at its next
   * call at the earliest. It ends by itself at an error that is not `recoverable`, and at the tenth in a row (`detail.final`).
   */
  watch(source: HTMLVideoElement | HTMLCanvasElement | (() => FrameSource | null), options?: WatchOptions): () => void;
  /**
   * Measures the anchors and routes between them, most telling first, and predicts the rest; keeps the result for the next start.
   * Frames of `watch` wait meanwhile. Errors: argument-invalid (maxMs), busy (another calibration, a batch, a check), aborted
   * (the profile stays as it was), disposed, device-lost.
   */
  calibrate(options?: CalibrateOptions): Promise<DeviceProfile>;
  /** Records what the controller is told and decides from now on, as `running-stitch-trace/1`. */
  record(): Recording;
  on<K extends keyof RuntimeEvents>(event: K, listener: (value: RuntimeEvents[K]) => void): () => void;
  /** The known-answer check again, after the frame in flight; frames are busy meanwhile. Errors: busy (a calibration, a batch, another check), disposed. */
  selfCheck(): Promise<CheckReport>;
  stats(): Promise<EngineStats>;
  dispose(): Promise<void>;
}
