/** Bytes of a bundle that are here, counted file by file, so that a retry or a reload never counts a byte twice. */
import type { FileRef } from './manifest';

export interface BundleProgress {
  /** Of all files that are planned: labels, shards, check vectors. */
  readonly bytesLoaded: number;
  readonly bytesTotal: number;
  /** Bytes of `bytesLoaded` that came from the store. */
  readonly bytesFromCache: number;
  /** Milliseconds until the rest is here, at the pace of the last seconds; absent while no pace is known. */
  readonly etaMs?: number;
}

/** The pace is that of the last seconds; before there are this many of them it is not told. */
const PACE_WINDOW_MS = 5000;
const PACE_LEAST_MS = 500;
const PACE_STEP_MS = 250;

export class ProgressMeter {
  private readonly onProgress: ((progress: BundleProgress) => void) | undefined;
  private readonly now: () => number;
  private planned: ReadonlyMap<string, number> = new Map();
  private bytesTotal = 0;
  private readonly loaded = new Map<string, { bytes: number; cached: boolean }>();
  private bytesLoaded = 0;
  private bytesFromCache = 0;
  /** Bytes off the network by time, oldest first. */
  private readonly pace: { readonly at: number; readonly bytes: number }[] = [];
  private fromNetwork = 0;

  /** `now`: milliseconds of a monotonic clock. */
  constructor(
    files: readonly FileRef[],
    onProgress: ((progress: BundleProgress) => void) | undefined,
    now: () => number = () => performance.now(),
  ) {
    this.onProgress = onProgress;
    this.now = now;
    this.plan(files);
  }

  /** What is to be loaded in all. A file that is here already counts, planned or not. */
  plan(files: readonly FileRef[]): void {
    this.planned = new Map(files.map(({ file, bytes }) => [file, bytes]));
    this.bytesTotal = files.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const [file, { bytes }] of this.loaded) if (!this.planned.has(file)) this.bytesTotal += bytes;
  }

  /** A file is loaded from its start; what an earlier load of it had counted is taken back without a report. */
  restart(file: string): void {
    const before = this.loaded.get(file);
    if (before === undefined) return;
    this.count(file, before.cached, -before.bytes);
    this.loaded.delete(file);
  }

  add(file: string, delta: number, cached: boolean): void {
    const bytes = (this.loaded.get(file)?.bytes ?? 0) + delta;
    this.loaded.set(file, { bytes, cached });
    this.count(file, cached, delta);
    if (!cached) this.notePace(delta);
    this.report();
  }

  report(): void {
    const { bytesLoaded, bytesTotal, bytesFromCache } = this;
    const etaMs = this.etaMs();
    this.onProgress?.({ bytesLoaded, bytesTotal, bytesFromCache, ...(etaMs === undefined ? {} : { etaMs }) });
  }

  private count(file: string, cached: boolean, delta: number): void {
    this.bytesLoaded += delta;
    if (cached) this.bytesFromCache += delta;
    if (!this.planned.has(file)) this.bytesTotal += delta;
  }

  private notePace(delta: number): void {
    const at = this.now();
    // A pause, as between two loads, is no pace.
    if (at - (this.pace.at(-1)?.at ?? at) > PACE_WINDOW_MS) this.pace.length = 0;
    const last = this.pace.at(-1);
    if (last === undefined || at - last.at >= PACE_STEP_MS) this.pace.push({ at, bytes: this.fromNetwork });
    this.fromNetwork += delta;
    while ((this.pace[1]?.at ?? at) < at - PACE_WINDOW_MS) this.pace.shift();
  }

  private etaMs(): number | undefined {
    const first = this.pace[0];
    const left = this.bytesTotal - this.bytesLoaded;
    if (first === undefined || left <= 0) return undefined;
    const ms = this.now() - first.at;
    const bytes = this.fromNetwork - first.bytes;
    return ms >= PACE_LEAST_MS && bytes > 0 ? (left * ms) / bytes : undefined;
  }
}
