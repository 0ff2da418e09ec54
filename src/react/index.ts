/** A React hook over the shared runtime. React is the host's own: an optional peer dependency. */
import { type RefCallback, useEffect, useState } from 'react';
import { asStitchError, type StitchError } from '../core/errors';
import type { BackendChoice, EnergyMode } from '../core/types';
import type { LoadProgress } from '../engine/api';
import type { Classification, Runtime } from '../runtime/api';
import { lease, type Lease, type LeaseSource } from '../shared/lease';

export interface UseRunningStitchOptions {
  /** URL of the bundle's manifest.json, relative to the page. A change loads the other bundle. */
  readonly bundle: string;
  /** Milliseconds one frame may take; a change needs no new load. Default: 33. */
  readonly latencyMs?: number;
  readonly energy?: EnergyMode;
  readonly backend?: BackendChoice;
  /** Keep weights in IndexedDB. Default true. */
  readonly cache?: boolean;
  /** Load no anchor beyond this one (id). A change loads anew. */
  readonly maxAnchor?: string;
  /** False loads nothing and lets go of what is loaded. Default true. */
  readonly enabled?: boolean;
}

export interface RunningStitchState<E extends LeaseSource> {
  /** For the `<video>`, `<img>` or `<canvas>` to look at. */
  readonly ref: RefCallback<E>;
  readonly status: 'idle' | 'loading' | 'ready' | 'error';
  /** Goes on while `status` is `ready`: larger networks arrive behind the first answers. */
  readonly progress: LoadProgress | undefined;
  /** The newest answer. */
  readonly result: Classification | undefined;
  readonly error: StitchError | undefined;
  /** Shared with every other user of the same bundle, backend, `maxAnchor` and cache setting on the page. */
  readonly runtime: Runtime | undefined;
}

interface Loaded {
  readonly lease: Lease;
  readonly runtime: Runtime;
}

/**
 * Loads a bundle while the component is mounted and classifies what its `ref` element shows. Components with the same bundle,
 * backend, `maxAnchor` and cache setting share one worker and one device.
 */
export function useRunningStitch<E extends LeaseSource = HTMLVideoElement>({
  bundle,
  latencyMs,
  energy,
  backend = 'auto',
  cache = true,
  maxAnchor,
  enabled = true,
}: UseRunningStitchOptions): RunningStitchState<E> {
  const [node, ref] = useState<E | null>(null);
  const [taken, setTaken] = useState<Lease>();
  const [loaded, setLoaded] = useState<Loaded>();
  const [progress, setProgress] = useState<LoadProgress>();
  const [result, setResult] = useState<Classification>();
  const [failed, setFailed] = useState<StitchError>();
  /** Of the present budget, and of the present source; another one may be right. */
  const [refused, setRefused] = useState<StitchError>();
  const [unread, setUnread] = useState<StitchError>();

  useEffect(() => {
    if (!enabled) return undefined;
    let stale = false;
    const fail = (reason: unknown): void => {
      if (!stale) setFailed(asStitchError(reason));
    };
    const offs: (() => void)[] = [];
    let mine: Lease | undefined;
    try {
      mine = lease({ bundle, backend, cache, maxAnchor, onProgress: setProgress });
      const own = mine;
      setTaken(own);
      own.ready.then((runtime) => {
        if (stale) return;
        offs.push(
          runtime.on('progress', setProgress),
          runtime.on('error', (reason) => reason.recoverable || fail(reason)),
        );
        setLoaded({ lease: own, runtime });
      }, fail);
    } catch (reason) {
      fail(reason);
    }
    return () => {
      stale = true;
      for (const off of offs) off();
      mine?.release();
      setTaken(undefined);
      setLoaded(undefined);
      setProgress(undefined);
      setResult(undefined);
      setFailed(undefined);
    };
  }, [bundle, backend, cache, maxAnchor, enabled]);

  useEffect(() => {
    if (taken === undefined) return;
    setRefused(undefined);
    try {
      taken.budget = { ...(latencyMs === undefined ? {} : { latencyMs }), ...(energy === undefined ? {} : { energy }) };
    } catch (reason) {
      setRefused(asStitchError(reason));
    }
  }, [taken, latencyMs, energy]);

  useEffect(() => {
    if (loaded === undefined || node === null) return undefined;
    const end = loaded.lease.watch(node, {
      onResult(answer) {
        setResult(answer);
        setUnread(undefined);
      },
      // A picture that stands still is not tried again by itself; of a video the next frame may be better.
      onError: (reason, final) => (final || node instanceof HTMLImageElement) && setUnread(reason),
    });
    return () => {
      end();
      setUnread(undefined);
    };
  }, [loaded, node]);

  const error = failed ?? refused ?? unread;
  const status = error !== undefined ? 'error' : loaded !== undefined ? 'ready' : enabled ? 'loading' : 'idle';
  return { ref, status, progress, result, error, runtime: loaded?.runtime };
}
