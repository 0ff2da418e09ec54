/** Bytes of a bundle that are here, counted file by file, so that a retry or a reload never counts a byte twice. */
import type { FileRef } from './manifest';

export interface BundleProgress {
  /** Of all files the manifest names: labels, shards, check vectors. */
  readonly bytesLoaded: number;
  readonly bytesTotal: number;
  /** Bytes of `bytesLoaded` that came from the store. */
  readonly bytesFromCache: number;
}

export class ProgressMeter {
  private readonly onProgress: ((progress: BundleProgress) => void) | undefined;
  private readonly bytesTotal: number;
  private readonly loaded = new Map<string, { bytes: number; cached: boolean }>();
  private bytesLoaded = 0;
  private bytesFromCache = 0;

  constructor(files: readonly FileRef[], onProgress: ((progress: BundleProgress) => void) | undefined) {
    this.bytesTotal = files.reduce((sum, { bytes }) => sum + bytes, 0);
    this.onProgress = onProgress;
  }

  /** A file is loaded from its start; what an earlier load of it had counted is taken back without a report. */
  restart(file: string): void {
    const before = this.loaded.get(file);
    if (before === undefined) return;
    this.count(before.cached, -before.bytes);
    this.loaded.delete(file);
  }

  add(file: string, delta: number, cached: boolean): void {
    const bytes = (this.loaded.get(file)?.bytes ?? 0) + delta;
    this.loaded.set(file, { bytes, cached });
    this.count(cached, delta);
    this.report();
  }

  report(): void {
    const { bytesLoaded, bytesTotal, bytesFromCache } = this;
    this.onProgress?.({ bytesLoaded, bytesTotal, bytesFromCache });
  }

  private count(cached: boolean, delta: number): void {
    this.bytesLoaded += delta;
    if (cached) this.bytesFromCache += delta;
  }
}
