/** The public API of a running network. Types only; made by `createRuntime`. */
import type { Budget, ExecutorKind, PixelFrame, Prediction, RouteInfo, Timing, AnchorInfo, BackendChoice } from '../core/types';
import type { StitchError } from '../core/errors';
import type { ControlMode, Decision, Rung, Signals } from '../control/types';
import type { AdapterSummary, CheckReport, DeviceLoss, EngineStats, LoadProgress } from '../engine/api';

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
  /** Host's own worker (strict CSP, special bundling); default: ours. */
  readonly worker?: () => Worker;
  /** Keep weights in IndexedDB. Default true. */
  readonly cache?: boolean;
  /** Aborts loading. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: LoadProgress) => void;
}

export interface Classification {
  readonly seq: number;
  readonly route: string;
  readonly executor: ExecutorKind;
  /** Best first. */
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
  readonly dropped: number;
  readonly targetMs: number;
  readonly slowdown: number;
  readonly signals: Signals;
}

export interface DeviceInfo {
  readonly executor: ExecutorKind;
  /** One sentence: why this executor. */
  readonly reason: string;
  readonly adapter?: AdapterSummary;
}

export interface RuntimeEvents {
  result: Classification;
  /** A route or target change with its reason and numbers. */
  switch: Decision;
  snapshot: Snapshot;
  lost: DeviceLoss;
  error: StitchError;
}

export interface ClassifyOptions {
  /** A fixed route for this frame only; default: the controller's. */
  readonly route?: string;
  readonly signal?: AbortSignal;
}

export interface Runtime {
  readonly device: DeviceInfo;
  readonly bundle: {
    readonly name: string;
    readonly version: string;
    readonly license: string;
    readonly sources: readonly string[];
  };
  readonly inputSize: number;
  readonly labels: readonly string[];
  readonly anchors: readonly AnchorInfo[];
  /** Every route of the bundle. */
  readonly routes: readonly RouteInfo[];
  /** The routes worth using on this device, cheapest first, with expected milliseconds. */
  readonly ladder: readonly Rung[];
  readonly check: CheckReport;
  /** The route of the next frame. */
  readonly route: string;
  /** Assign to change, live. Errors: argument-invalid. */
  budget: Budget;
  /** Assign to lock, cap, floor or free the controller. Errors: route-unknown. */
  mode: ControlMode;
  /** One frame, one answer. Errors: frame-invalid, busy, aborted, disposed, device-lost. */
  classify(frame: FrameSource, options?: ClassifyOptions): Promise<Classification>;
  /** Continuous: newest frame only, one in flight; old frames are dropped and counted. Returns stop. */
  watch(source: HTMLVideoElement | HTMLCanvasElement | (() => FrameSource | null)): () => void;
  on<K extends keyof RuntimeEvents>(event: K, listener: (value: RuntimeEvents[K]) => void): () => void;
  selfCheck(): Promise<CheckReport>;
  stats(): Promise<EngineStats>;
  dispose(): Promise<void>;
}
