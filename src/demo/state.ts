/** Everything the page shows, in one plain object. Only `change` in main.ts writes it; `render` reads it. */
import type {
  AnchorInfo,
  Classification,
  ControlMode,
  DeviceInfo,
  EnergyMode,
  LoadProgress,
  RouteInfo,
  Rung,
  Signals,
  Snapshot,
} from '../index';
import type { LoadState } from './load/burner';
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
}

export interface LogEntry {
  readonly at: number;
  readonly from: string;
  readonly to: string;
  readonly text: string;
}

/** What a loaded bundle and its runtime say about themselves. */
export interface Loaded {
  readonly device: DeviceInfo;
  readonly bundle: {
    readonly name: string;
    readonly version: string;
    readonly license: string;
    readonly sources: readonly string[];
  };
  readonly inputSize: number;
  readonly classes: number;
  readonly anchors: readonly AnchorInfo[];
  readonly routes: readonly RouteInfo[];
  readonly ladder: readonly Rung[];
}

export interface State {
  readonly phase: 'loading' | 'ready' | 'error';
  readonly progress: LoadProgress | null;
  readonly trouble: Trouble | null;
  /** A passing message about the source or a frame; never blocks. */
  readonly notice: string;
  readonly loaded: Loaded | null;
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
}

export const initialState: State = {
  phase: 'loading',
  progress: null,
  trouble: null,
  notice: '',
  loaded: null,
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

export function withEntry(log: readonly LogEntry[], entry: LogEntry): readonly LogEntry[] {
  return [entry, ...log].slice(0, LOG_LENGTH);
}
