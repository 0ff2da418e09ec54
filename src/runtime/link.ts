/**
 * The wire to the worker. Owns comlink's three gaps: a call to a dead worker would hang, error codes would be lost, and a
 * silent worker would never be noticed.
 */
import { proxy, releaseProxy, transfer, wrap } from 'comlink';
import { asStitchError, fromWire, isWireError, StitchError } from '../core/errors';
import type { EngineApi, EngineFrame, FrameResult, LoadProgress, LoadRequest } from '../engine/api';

export interface Link {
  load(request: LoadRequest, onProgress: (progress: LoadProgress) => void): ReturnType<EngineApi['load']>;
  cancelLoad(): void;
  /** Transfers the frame; the worker closes it. */
  classify(frame: EngineFrame, route: string, seq: number): Promise<FrameResult>;
  calibrate: EngineApi['calibrate'];
  selfCheck: EngineApi['selfCheck'];
  stats: EngineApi['stats'];
  whenLost: EngineApi['whenLost'];
  /** Rejects pending calls with `disposed`, lets the engine free its device, and ends the worker. */
  dispose(): Promise<void>;
}

/** A frame unanswered for this long means that worker or GPU process hang (Chrome's GPU watchdog fires at about 10 s). */
const SILENCE_MS = 60_000;
/** How long `dispose` waits for the engine's own clean-up before it terminates the worker. */
const DISPOSE_MS = 1_000;

/** Starts the library's own worker. Written out literally: bundlers recognise only this form. */
export const startWorker = (): Worker =>
  new Worker(new URL('../engine/worker.ts', import.meta.url), { type: 'module', name: 'running-stitch' });

export function createLink(worker: Worker): Link {
  const remote = wrap<EngineApi>(worker);
  let dead: StitchError | undefined;
  let kill: (error: StitchError) => void = () => {};
  const death = new Promise<never>((_, reject) => {
    kill = (error) => {
      dead ??= error;
      reject(dead);
    };
  });
  // Death is reported through the calls it rejects.
  death.catch(() => {});

  worker.addEventListener('error', (event) => {
    event.preventDefault();
    const where = event.filename ? ` (${event.filename}:${event.lineno})` : '';
    kill(
      new StitchError(
        'worker-died',
        `The engine worker failed: ${event.message || 'its script did not load'}${where}. Check worker-src in the page's CSP and the worker URL, then make a new runtime.`,
      ),
    );
  });
  worker.addEventListener('messageerror', () => {
    kill(new StitchError('worker-died', 'A message to the engine worker could not be read. Make a new runtime.'));
  });

  const call = async <T>(start: () => Promise<T>): Promise<T> => {
    if (dead !== undefined) throw dead;
    try {
      return await Promise.race([start(), death]);
    } catch (error) {
      throw isWireError(error) ? fromWire(error) : asStitchError(error);
    }
  };

  return {
    load: (request, onProgress) => call(() => remote.load(request, proxy(onProgress))),
    cancelLoad() {
      if (dead === undefined) void remote.cancelLoad();
    },
    classify(frame, route, seq) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const answer = call(() => {
        timer = setTimeout(
          () =>
            kill(new StitchError('worker-died', `No answer from the engine for ${SILENCE_MS / 1000} s. Make a new runtime.`)),
          SILENCE_MS,
        );
        return remote.classify(transfer(frame, transferables(frame)), route, seq);
      });
      return answer.finally(() => clearTimeout(timer));
    },
    calibrate: (routes, frames) => call(() => remote.calibrate(routes, frames)),
    selfCheck: () => call(() => remote.selfCheck()),
    stats: () => call(() => remote.stats()),
    whenLost: () => call(() => remote.whenLost()),
    async dispose() {
      if (dead === undefined) {
        const bye = remote.dispose().catch(() => {});
        await Promise.race([bye, new Promise((resolve) => setTimeout(resolve, DISPOSE_MS))]);
        remote[releaseProxy]();
      }
      kill(new StitchError('disposed', 'This runtime was disposed. Make a new one with createRuntime().'));
      worker.terminate();
    },
  };
}

function transferables(frame: EngineFrame): Transferable[] {
  if (!('data' in frame)) return [frame];
  return frame.data.buffer instanceof ArrayBuffer ? [frame.data.buffer] : [];
}
