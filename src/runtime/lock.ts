/** One thing at a time for the engine: frames at once or not at all, longer work when the frames in flight have ended. */
import { StitchError } from '../core/errors';

export interface Lock {
  /** Runs a frame, beside others where fewer than `most` are on their way. Errors: busy. */
  frame<T>(work: () => Promise<T>, most?: number): Promise<T>;
  /** Runs `work` after the frames in flight; frames are busy until it has ended. Errors: busy (other such work). */
  hold<T>(what: string, work: () => Promise<T>): Promise<T>;
}

export function createLock(): Lock {
  const frames = new Set<Promise<unknown>>();
  let held: string | undefined;
  return {
    async frame(work, most = 1) {
      if (held !== undefined) throw new StitchError('busy', `The engine is ${held}. Drop this frame, or try again after it.`);
      if (frames.size >= most)
        throw new StitchError('busy', 'A frame is already being classified. Await its answer, or drop this frame.');
      const running = work();
      frames.add(running);
      try {
        return await running;
      } finally {
        frames.delete(running);
      }
    },
    async hold(what, work) {
      if (held !== undefined) throw new StitchError('busy', `The engine is ${held} already. Wait for the end of that.`);
      held = what;
      try {
        await Promise.allSettled(frames);
        return await work();
      } finally {
        held = undefined;
      }
    },
  };
}
