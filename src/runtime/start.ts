/** From the options to an engine that answers: the load up to the first answer, or up to the last where that is asked for. */
import { loadCancelled } from '../core/abort';
import { StitchError } from '../core/errors';
import { told } from '../core/told';
import type { BackendChoice } from '../core/types';
import type { LoadProgress, LoadRequest } from '../engine/api';
import type { RuntimeOptions } from './api';
import { openCrashMarker } from './crash-marker';
import { EngineHost } from './heal';
import type { HostOptions } from './host-options';
import { loadLimits, type LimitsNavigator } from './limits';
import { type Loading, startLoading } from './loading';
import { manifestUrl } from './page-url';
import { startWorker } from './start-worker';

const BACKENDS: readonly BackendChoice[] = ['auto', 'webgpu', 'wasm', 'cpu'];

export interface Started<T> {
  readonly host: EngineHost;
  readonly loading: Loading;
  readonly measured: T;
}

/** What the host tells once there is a runtime to tell it. */
export type Listeners = Omit<HostOptions, 'worker' | 'request'>;

/**
 * `listeners` is asked for at every event, so that they may change when the runtime is complete. The rest loads on behind the
 * returned promise. Errors: as `createRuntime`; after an error nothing is left running.
 */
export async function startEngine<T>(
  options: RuntimeOptions,
  listeners: () => Partial<Listeners>,
  measure: (host: EngineHost) => Promise<T>,
): Promise<Started<T>> {
  const { signal, waitFor = 'first' } = options;
  const url = manifestUrl(options.bundle);
  const marker = await openCrashMarker(url);
  const { maxAnchor, meteredAnchor } = options;
  const request: LoadRequest = {
    manifestUrl: url,
    backend: assertBackend(options.backend ?? 'auto'),
    cache: options.cache ?? true,
    limits: loadLimits(navigator as LimitsNavigator, {
      ...(maxAnchor === undefined ? {} : { maxAnchor }),
      ...(meteredAnchor === undefined ? {} : { meteredAnchor }),
      crashedAt: marker.crashedAt,
    }),
  };
  if (signal?.aborted) throw loadCancelled();
  let starting = true;
  let latest: LoadProgress = { phase: 'manifest', bytesLoaded: 0, bytesTotal: 0, bytesFromCache: 0 };
  const tell = (progress: LoadProgress): void => told(options.onProgress, progress);
  let saidUncached = false;
  const sayUncached = (): void => {
    if (starting || saidUncached || latest.cacheProblem === undefined) return;
    saidUncached = true;
    listeners().onError?.(uncached(latest.cacheProblem), false);
  };
  const host = new EngineHost({
    worker: () => begin(options.worker ?? startWorker),
    request,
    onProgress(progress) {
      latest = progress;
      // `ready` is said once, when the ladder is measured too.
      if (!starting) listeners().onProgress?.(progress);
      else if (progress.phase !== 'ready') tell(progress);
      sayUncached();
    },
    onReady: () => listeners().onReady?.(),
    onLost: (loss) => listeners().onLost?.(loss),
    onHealed: (healing) => listeners().onHealed?.(healing),
    onReloaded: () => listeners().onReloaded?.(),
    onError: (error, final) => listeners().onError?.(error, final),
    route: () => listeners().route?.(),
  });
  const { abort, unheard } = aborted(signal, () => starting && host.end(loadCancelled()));
  try {
    await Promise.race([host.started(), abort]);
    let loading: Loading | undefined;
    if (waitFor === 'all') {
      loading = startLoading(host, marker, signal);
      await Promise.race([loading.loaded, abort]);
    }
    tell({ ...latest, phase: 'measure' });
    const measured = await Promise.race([measure(host), abort]);
    tell({ ...latest, phase: 'ready' });
    starting = false;
    // In a task of its own: by then there is a runtime, and whoever made it listens.
    setTimeout(sayUncached);
    return { host, loading: loading ?? startLoading(host, marker, signal), measured };
  } catch (error) {
    host.end(loadCancelled());
    throw error;
  } finally {
    unheard();
  }
}

const uncached = (problem: string): StitchError =>
  new StitchError(
    'storage',
    `The bundle cannot be kept on this device (${problem}), so the next visit downloads it again. Allow site data for this page, make room (storage.clear()), or pass cache: false.`,
    { problem },
  );

/** Never resolves; rejects when the signal fires, not when the engine notices: its script may never arrive. Until `unheard`. */
function aborted(signal: AbortSignal | undefined, onAbort: () => void): { abort: Promise<never>; unheard: () => void } {
  let unheard = (): void => {};
  const abort = new Promise<never>((_, reject) => {
    const listener = (): void => {
      onAbort();
      reject(loadCancelled());
    };
    signal?.addEventListener('abort', listener, { once: true });
    unheard = () => signal?.removeEventListener('abort', listener);
  });
  abort.catch(() => {});
  return { abort, unheard };
}

function assertBackend(backend: BackendChoice): BackendChoice {
  if (BACKENDS.includes(backend)) return backend;
  throw new StitchError('argument-invalid', `backend "${backend}" is unknown. Use one of ${BACKENDS.join(', ')}.`, { backend });
}

function begin(make: () => Worker): Worker {
  try {
    return make();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new StitchError(
      'worker-died',
      `The engine worker could not be started: ${text}. Serve it from the page's origin and allow it in the page's CSP (worker-src; with Trusted Types also "trusted-types running-stitch"), or pass options.worker.`,
      {},
      error,
    );
  }
}
