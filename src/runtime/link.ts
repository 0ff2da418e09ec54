/**
 * The wire to the worker. Owns comlink's three gaps: a call to a dead worker would hang, error codes would be lost, and a
 * silent worker would never be noticed.
 */
import { proxy, releaseProxy, transfer, wrap } from 'comlink';
import { asStitchError, fromWire, isWireError, StitchError } from '../core/errors';
import type { EngineApi, EngineFrame, FrameResult, LoadProgress, LoadRequest, LoadStep } from '../engine/api';

export interface Link {
  load(request: LoadRequest, onProgress: (progress: LoadProgress) => void): ReturnType<EngineApi['load']>;
  loadMore(anchor: string, onStep: (step: LoadStep) => void): ReturnType<EngineApi['loadMore']>;
  cancelLoad(): void;
  /** Transfers the frame; the worker closes it. */
  classify(frame: EngineFrame, route: string, seq: number): Promise<FrameResult>;
  /** Transfers the frames; the worker closes them. */
  classifyBatch: EngineApi['classifyBatch'];
  calibrate: EngineApi['calibrate'];
  selfCheck: EngineApi['selfCheck'];
  stats: EngineApi['stats'];
  whenLost: EngineApi['whenLost'];
  /** Rejects pending calls with `disposed`, lets the engine free its device, and ends the worker. */
  dispose(): Promise<void>;
  /** Rejects pending and later calls with `why`, and ends the worker at once. */
  end(why: StitchError): void;
}

/** A frame unanswered for this long means that worker or GPU process hang (Chrome's GPU watchdog fires at about 10 s). */
const SILENT_FRAME_MS = 60_000;
/** The same for calls that compile or run many frames; a progress report starts it anew. */
const SILENT_LOAD_MS = 180_000;
/** How often silence is looked at. */
const TICK_MS = 5_000;
/** How long `dispose` waits for the engine's own clean-up before it terminates the worker. */
const DISPOSE_MS = 1_000;

/** Calls `onSilent` once `limitMs` of waking time have passed since the last `heard`. */
function listen(limitMs: number, onSilent: () => void): { heard(): void; stop(): void } {
  let silentMs = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    // A tick that comes far too late slept with the page, and so did the worker.
    if (now - last < 2 * TICK_MS) silentMs += now - last;
    last = now;
    if (silentMs >= limitMs) onSilent();
  }, TICK_MS);
  return { heard: () => (silentMs = 0), stop: () => clearInterval(timer) };
}

export function createLink(worker: Worker): Link {
  const remote = wrap<EngineApi>(worker);
  let dead: StitchError | undefined;
  let disposing: Promise<void> | undefined;
  /** Ends the calls that wait. A race against one promise of death would hold on to every call there ever was. */
  const waiting = new Set<(error: StitchError) => void>();
  const kill = (error: StitchError): void => {
    dead ??= error;
    for (const reject of waiting) reject(dead);
    waiting.clear();
  };

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
    let give: (error: StitchError) => void = () => {};
    try {
      return await new Promise<T>((resolve, reject) => {
        give = reject;
        waiting.add(give);
        start().then(resolve, reject);
      });
    } catch (error) {
      throw isWireError(error) ? fromWire(error) : asStitchError(error);
    } finally {
      waiting.delete(give);
    }
  };
  /** A call whose answer must come: a worker silent for `limitMs` counts as dead. */
  const answered = async <T>(limitMs: number, start: (heard: () => void) => Promise<T>): Promise<T> => {
    const silence = listen(limitMs, () => {
      kill(new StitchError('worker-died', `No answer from the engine for ${limitMs / 1000} s. Make a new runtime.`));
    });
    try {
      return await call(() => start(silence.heard));
    } finally {
      silence.stop();
    }
  };

  return {
    load: (request, onProgress) =>
      answered(SILENT_LOAD_MS, (heard) =>
        remote.load(
          request,
          proxy((progress: LoadProgress) => {
            heard();
            onProgress(progress);
          }),
        ),
      ),
    loadMore: (anchor, onStep) =>
      answered(SILENT_LOAD_MS, (heard) =>
        remote.loadMore(
          anchor,
          proxy((step: LoadStep) => {
            heard();
            onStep(step);
          }),
        ),
      ),
    cancelLoad() {
      if (dead === undefined) void remote.cancelLoad();
    },
    async classify(frame, route, seq) {
      try {
        return await answered(SILENT_FRAME_MS, () => remote.classify(transfer(frame, transferables(frame)), route, seq));
      } finally {
        // Detached once it was sent; still ours where it never was.
        if ('close' in frame) frame.close();
      }
    },
    async classifyBatch(frames, route) {
      try {
        const sent = transfer([...frames], frames.flatMap(transferables));
        return await answered(SILENT_LOAD_MS, () => remote.classifyBatch(sent, route));
      } finally {
        for (const frame of frames) if ('close' in frame) frame.close();
      }
    },
    calibrate: (routes, frames) => answered(SILENT_LOAD_MS, () => remote.calibrate(routes, frames)),
    selfCheck: () => answered(SILENT_LOAD_MS, () => remote.selfCheck()),
    stats: () => answered(SILENT_FRAME_MS, () => remote.stats()),
    whenLost: () => call(() => remote.whenLost()),
    dispose() {
      disposing ??= (async () => {
        if (dead === undefined) {
          const bye = call(() => remote.dispose()).catch(() => {});
          await Promise.race([bye, new Promise((resolve) => setTimeout(resolve, DISPOSE_MS))]);
          remote[releaseProxy]();
        }
        kill(new StitchError('disposed', 'This runtime was disposed. Make a new one with createRuntime().'));
        worker.terminate();
      })();
      return disposing;
    },
    end(why) {
      kill(why);
      worker.terminate();
    },
  };
}

function transferables(frame: EngineFrame): Transferable[] {
  if (!('data' in frame)) return [frame];
  return frame.data.buffer instanceof ArrayBuffer ? [frame.data.buffer] : [];
}
