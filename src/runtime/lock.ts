/** One thing at a time for the engine: frames at once or not at all, longer work when the frame in flight has ended. */
import { StitchError } from '../core/errors';

export interface Lock {
  /** Runs a frame. Errors: busy. */
  frame<T>(work: () => Promise<T>): Promise<T>;
  /** Runs `work` after the frame in flight; frames are busy until it has ended. Errors: busy (other such work). */
  hold<T>(what: string, work: () => Promise<T>): Promise<T>;
}

export function createLock(): Lock {
  let frame: Promise<unknown> | undefined;
  let held: string | undefined;
  return {
    async frame(work) {
      if (held !== undefined) throw new StitchError('busy', `The engine is ${held}. Drop this frame, or try again after it.`);
      if (frame) throw new StitchError('busy', 'A frame is already being classified. Await its answer, or drop this frame.');
      const running = work();
      frame = running;
      try {
        return await running;
      } finally {
        frame = undefined;
      }
    },
    async hold(what, work) {
      if (held !== undefined) throw new StitchError('busy', `The engine is ${held} already. Wait for the end of that.`);
      held = what;
      try {
        await frame?.catch(() => {});
        return await work();
      } finally {
        held = undefined;
      }
    },
  };
}
