/** Everything the page shows, in one plain object. Only `change` in main.ts writes it; `render` reads it. */
import type {
  AnchorInfo,
  CalibrationProgress,
  Classification,
  ControlMode,
  DecisionReason,
  DeviceInfo,
  DeviceProfile,
  EnergyMode,
  LoadProgress,
  RouteState,
  Runtime,
  Rung,
  Signals,
  Snapshot,
} from '../index';
import type { ScriptShape } from './lab/script';
import type { Playback } from './lab/trace';
import type { LoadState } from './load/state';
import type { Trouble } from './troubles';

export type SourceKind = 'clip' | 'photos' | 'camera' | 'file';

export interface Photo {
  readonly file: string;
  readonly title: string;
  readonly author: string;
  readonly licence: string;
  readonly source: string;
}

/** One answered frame, as the chart keeps it; `at` is `performance.now()`. */
export interface Sample {
  readonly at: number;
  readonly ms: number;
  readonly route: string;
  /** What was allowed then. */
  readonly budgetMs: number;
}

export interface LogEntry {
  readonly at: number;
  readonly from: string;
  readonly to: string;
  readonly text: string;
  /** Absent on what the page itself says. */
  readonly reason?: DecisionReason;
}

/** Measuring the device by hand. */
export type CalibrationState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'running'; readonly progress: CalibrationProgress | null }
  /** `kept`: every network was there to be measured. */
  | { readonly kind: 'done'; readonly kept: boolean }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'failed'; readonly why: string };

/** The slider under a script's hand. */
export type SweepState =
  | { readonly kind: 'off'; readonly why: string }
  | { readonly kind: 'on'; readonly shape: ScriptShape; readonly restoreMs: number };

/** A trace being recorded, or the last one that was. */
export type RecordingState =
  | { readonly kind: 'none' }
  | { readonly kind: 'on'; readonly since: number }
  | { readonly kind: 'done'; readonly text: string; readonly name: string; readonly url: string }
  | { readonly kind: 'failed'; readonly why: string };

/** A trace played back, or why it could not be. */
export type PlaybackState =
  | { readonly kind: 'none' }
  | { readonly kind: 'shown'; readonly name: string; readonly playback: Playback }
  | { readonly kind: 'broken'; readonly name: string; readonly why: string };

/** What a loaded bundle and its runtime say about themselves. */
export interface Loaded {
  readonly device: DeviceInfo;
  readonly bundle: Runtime['bundle'];
  readonly inputSize: number;
  readonly classes: number;
  readonly anchors: readonly AnchorInfo[];
  readonly routes: readonly RouteState[];
  readonly ladder: readonly Rung[];
  readonly profile: DeviceProfile;
  /** The anchors in the order in which they load, and which of them are left out. */
  readonly tiers: Runtime['tiers'];
}

export interface State {
  readonly phase: 'loading' | 'ready' | 'error';
  readonly progress: LoadProgress | null;
  readonly trouble: Trouble | null;
  /** A passing message about the source or a frame; never blocks. */
  readonly notice: string;
  readonly loaded: Loaded | null;
  /** Nothing that was planned is still arriving. */
  readonly complete: boolean;
  readonly route: string;
  readonly mode: ControlMode;
  readonly budgetMs: number;
  readonly energy: EnergyMode;
  readonly source: SourceKind | null;
  readonly sourceTitle: string;
  /** What the stage shows: a video, a still, or nothing. */
  readonly showing: 'video' | 'still' | null;
  readonly photos: readonly Photo[];
  readonly photo: number;
  readonly playing: boolean;
  readonly result: Classification | null;
  readonly snapshot: Snapshot | null;
  /** Battery, pressure and the like, as last heard of; null: nothing heard yet. */
  readonly signals: Signals | null;
  readonly samples: readonly Sample[];
  readonly log: readonly LogEntry[];
  readonly load: LoadState;
  readonly strength: number;
  readonly calibration: CalibrationState;
  readonly sweep: SweepState;
  readonly recording: RecordingState;
  readonly playback: PlaybackState;
}

export const initialState: State = {
  phase: 'loading',
  progress: null,
  trouble: null,
  notice: '',
  loaded: null,
  complete: false,
  route: '',
  mode: { kind: 'auto' },
  budgetMs: 33,
  energy: 'balanced',
  source: null,
  sourceTitle: '',
  showing: null,
  photos: [],
  photo: 0,
  playing: true,
  result: null,
  snapshot: null,
  signals: null,
  samples: [],
  log: [],
  load: { kind: 'off' },
  strength: 0.95,
  calibration: { kind: 'idle' },
  sweep: { kind: 'off', why: '' },
  recording: { kind: 'none' },
  playback: { kind: 'none' },
};

/** How far back the chart looks. */
export const CHART_MS = 30_000;
const LOG_LENGTH = 60;

/** Appends without growing for ever: what the chart no longer shows is dropped. */
export function withSample(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  const oldest = sample.at - CHART_MS - 1000;
  const start = samples.findIndex((one) => one.at >= oldest);
  return [...(start < 0 ? [] : samples.slice(start)), sample];
}

/** Newest first. A budget that is dragged without a change of route is one entry, however long it is dragged. */
export function withEntry(log: readonly LogEntry[], entry: LogEntry): readonly LogEntry[] {
  const [newest] = log;
  const dragged = (one: LogEntry | undefined) => one?.reason === 'budget-changed' && one.from === one.to;
  return [entry, ...(dragged(newest) && dragged(entry) ? log.slice(1) : log)].slice(0, LOG_LENGTH);
}
