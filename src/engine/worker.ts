/** Worker entry: the engine behind comlink. Errors leave as plain data, because comlink keeps only name, message and stack. */
import { expose, type ProxyMarked, releaseProxy, type Remote } from 'comlink';
import { toWire } from '../core/errors';
import type { EngineApi } from './api';
import { createEngine } from './engine';

function guard(engine: EngineApi): EngineApi {
  const wire =
    <A extends unknown[], R>(call: (...args: A) => R | Promise<R>) =>
    async (...args: A): Promise<R> => {
      try {
        return await call(...args);
      } catch (error) {
        throw toWire(error);
      }
    };
  return {
    load: wire((request, onProgress) => withCallback(onProgress, (tell) => engine.load(request, tell))),
    loadMore: wire((anchor, onStep) => withCallback(onStep, (tell) => engine.loadMore(anchor, tell))),
    cancelLoad: () => engine.cancelLoad(),
    classify: wire(engine.classify),
    classifyBatch: wire(engine.classifyBatch),
    calibrate: wire(engine.calibrate),
    selfCheck: wire(engine.selfCheck),
    stats: wire(engine.stats),
    whenLost: wire(engine.whenLost),
    dispose: wire(engine.dispose),
  };
}

/** Runs `work` with a callback of the page, whose port is closed afterwards. */
async function withCallback<V, R>(callback: (value: V) => void, work: (tell: (value: V) => void) => Promise<R>): Promise<R> {
  const remote = callback as unknown as Remote<((value: V) => void) & ProxyMarked>;
  try {
    return await work((value) => void remote(value as never));
  } finally {
    remote[releaseProxy]();
  }
}

expose(guard(createEngine()));
