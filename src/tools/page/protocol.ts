/** What the tools' page answers to the Node program that opened it. Types only. */
import type { AdapterSummary, BackendChoice, Classification, ExecutorKind } from '../../index';

export interface LoadOptions {
  /** URL of manifest.json, relative to the page. */
  readonly manifest: string;
  readonly backend: BackendChoice;
  /** Absent: the runtime's own default. */
  readonly latencyMs?: number;
}

export interface Loaded {
  readonly bundle: { readonly name: string; readonly version: string };
  readonly executor: ExecutorKind;
  readonly reason: string;
  readonly adapter?: AdapterSummary;
  readonly latencyMs: number;
  /** Ids of all routes. */
  readonly routes: readonly string[];
}

export interface Failure {
  readonly code: string;
  readonly message: string;
}

/** Errors travel as values: a throw across the driver would lose its code. */
export type Answer<T> = { readonly value: T } | { readonly error: Failure };

/** The page's global `runningStitch`. */
export interface PageApi {
  load(options: LoadOptions): Promise<Answer<Loaded>>;
  /** The photo's bytes are fetched from `url`; without `route` the controller chooses. */
  classify(url: string, route?: string): Promise<Answer<Classification>>;
  /** Milliseconds of each of `frames` frames on that route, after one that pays for cold caches. */
  time(route: string, frames: number): Promise<Answer<readonly number[]>>;
}

/** What the page finds on its global object. */
export interface PageGlobals {
  runningStitch: PageApi;
  /** Set by the driver; told the share that is loaded, 0…1. */
  onLoadProgress?: (phase: string, share: number) => Promise<void>;
}
