/** One thing at a time for the engine: frames at once or not at all, longer work when the frames in flight have ended. */
import { StitchError } from '../core/errors';

export interface Lock {
  /**
   * Runs a frame, beside others where fewer than `most` are on their way. `patient`: after those, and after work that nobody asked for,
   * instead of not at all; in order, and before frames that are not. Errors: busy.
   */
  frame<T>(work: () => Promise<T>, options?: { readonly most?: number; readonly patient?: boolean }): Promise<T>;
  /** Runs `work` after the frames in flight; frames are busy until it has ended. Errors: busy (other such work). */
  hold<T>(what: string, work: () => Promise<T>): Promise<T>;
  /** The same for what nobody asked for: it waits for all else, and `hold` waits for it. */
  holdBehind<T>(what: string, work: () => Promise<T>): Promise<T>;
}

interface Held {
  readonly what: string;
  readonly behind: boolean;
  readonly ended: Promise<void>;
}

/** A caller with more on their way does not await its answers: it would fall ever further behind. */
const MOST_WAITING = 8;

export function createLock(): Lock {
  const frames = new Set<Promise<unknown>>();
  let held: Held | undefined;
  let waiting = 0;
  /** The turn of the last of those who wait. */
  let line: Promise<void> = Promise.resolve();
  const busy = (what: string): StitchError => new StitchError('busy', what);
  const enter = async <T>(work: () => Promise<T>, most: number): Promise<T> => {
    if (held !== undefined) throw busy(`The engine is ${held.what}. Drop this frame, or try again after it.`);
    if (frames.size >= most) throw busy('A frame is already being classified. Await its answer, or drop this frame.');
    const running = work();
    frames.add(running);
    try {
      return await running;
    } finally {
      frames.delete(running);
    }
  };
  const room = async (most: number): Promise<void> => {
    for (;;) {
      if (held?.behind) await held.ended;
      else if (held === undefined && frames.size >= most) await Promise.race(frames).catch(() => {});
      else return;
    }
  };
  const take = async <T>(what: string, behind: boolean, work: () => Promise<T>): Promise<T> => {
    let end = (): void => {};
    held = { what, behind, ended: new Promise((resolve) => (end = resolve)) };
    try {
      await Promise.allSettled(frames);
      return await work();
    } finally {
      held = undefined;
      end();
    }
  };
  return {
    async frame(work, { most = 1, patient = false } = {}) {
      if (!patient && waiting > 0) throw busy('Other frames wait for their turn. Drop this frame.');
      if (!patient) return enter(work, most);
      if (waiting === 0 && held === undefined && frames.size < most) return enter(work, most);
      if (waiting === MOST_WAITING)
        throw busy(`${MOST_WAITING} frames wait for their turn already. Await their answers, or drop this frame.`);
      waiting += 1;
      const turn = line.then(() => room(most));
      line = turn;
      await turn;
      waiting -= 1;
      return enter(work, most);
    },
    async hold(what, work) {
      // Frames that were asked for before go before.
      if (waiting > 0) await line;
      while (held?.behind) await held.ended;
      if (held !== undefined) throw new StitchError('busy', `The engine is ${held.what} already. Wait for the end of that.`);
      return take(what, false, work);
    },
    async holdBehind(what, work) {
      while (held !== undefined) await held.ended;
      return take(what, true, work);
    },
  };
}
