/** Worker entry: the engine behind comlink. Errors leave as plain data, because comlink keeps only name, message and stack. */
import { expose } from 'comlink';
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
    load: wire(engine.load),
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
