/** One executor after the other, each with a runtime of its own: bench and parity run what else would be the runtime's choice. */
import { StitchError, createRuntime } from '../index';
import type { BackendChoice, ExecutorKind, LoadProgress, Runtime } from '../index';

/** In the order in which the runtime would try them. */
export const EXECUTORS: readonly ExecutorKind[] = ['webgpu', 'wasm', 'cpu'];

/** A runtime, and how long its start took. */
export interface Opened {
  readonly runtime: Runtime;
  /** `performance.now()` when it was asked for. */
  readonly began: number;
  /** Until `createRuntime` resolved, ms. */
  readonly startMs: number;
  /** The newest progress; complete once `runtime.loaded` has resolved. */
  readonly progress: () => Pick<LoadProgress, 'bytesTotal' | 'bytesFromCache'>;
}

/** An executor that does not start here. */
export interface Unavailable {
  readonly executor: ExecutorKind;
  readonly why: string;
  /** It started, and its answers were wrong: the known-answer check failed. */
  readonly wrong: boolean;
}

export interface OpenOptions {
  readonly bundle: URL;
  readonly signal: AbortSignal;
  /** Whether to start with the first routes, or when everything is there. */
  readonly waitFor: 'first' | 'all';
  readonly onProgress: (progress: LoadProgress) => void;
}

/** These are no matter of the executor: the next one would meet them, too. */
const COMMON: ReadonlySet<string> = new Set(['aborted', 'network', 'bundle-invalid', 'bundle-integrity', 'frame-invalid']);

/**
 * Opens the bundle on this executor, does the work, and closes it again. What keeps this executor from working is the answer;
 * what would keep every executor from it is thrown: aborted, network, bundle-invalid, bundle-integrity, frame-invalid.
 */
export async function onExecutor<T>(
  executor: ExecutorKind,
  { bundle, signal, waitFor, onProgress }: OpenOptions,
  work: (opened: Opened) => Promise<T>,
): Promise<{ readonly done: T } | { readonly unavailable: Unavailable }> {
  let runtime: Runtime | undefined;
  let last: Pick<LoadProgress, 'bytesTotal' | 'bytesFromCache'> = { bytesTotal: 0, bytesFromCache: 0 };
  const progress = (step: LoadProgress) => {
    last = step;
    onProgress(step);
  };
  try {
    const began = performance.now();
    runtime = await createRuntime({
      bundle,
      backend: executor,
      signal,
      waitFor,
      guardPage: false,
      persist: false,
      onProgress: progress,
    });
    runtime.on('progress', progress);
    return { done: await work({ runtime, began, startMs: performance.now() - began, progress: () => last }) };
  } catch (error) {
    if (signal.aborted) throw new StitchError('aborted', 'It was cancelled.', {}, error);
    if (error instanceof StitchError && COMMON.has(error.code)) throw error;
    const why = error instanceof Error ? error.message : String(error);
    return { unavailable: { executor, why, wrong: error instanceof StitchError && typeof error.detail['worst'] === 'number' } };
  } finally {
    await runtime?.dispose();
  }
}

/** What `?backend=` leaves of the executors. */
export function chosenExecutors(backend: BackendChoice): readonly ExecutorKind[] {
  return backend === 'auto' ? EXECUTORS : [backend];
}
