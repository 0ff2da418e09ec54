/** Worker entry: the engine behind comlink. Errors leave as plain data, because comlink keeps only name, message and stack. */
import { expose, type ProxyMarked, releaseProxy, type Remote } from 'comlink';
import { toWire } from '../core/errors';
import type { EngineApi, LoadProgress } from './api';
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
    load: wire(async (request, onProgress) => {
      const report = onProgress as unknown as Remote<((progress: LoadProgress) => void) & ProxyMarked>;
      try {
        return await engine.load(request, (progress) => void report(progress));
      } finally {
        report[releaseProxy]();
      }
    }),
    cancelLoad: () => engine.cancelLoad(),
    classify: wire(engine.classify),
    calibrate: wire(engine.calibrate),
    selfCheck: wire(engine.selfCheck),
    stats: wire(engine.stats),
    whenLost: wire(engine.whenLost),
    dispose: wire(engine.dispose),
  };
}

expose(guard(createEngine()));
