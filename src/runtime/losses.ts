/** When a loss is worth another try, when another executor, and when it is the end. Pure: time comes in. */

import { StitchError, withDetail } from '../core/errors';

export type Loss = 'device' | 'worker' | 'wrong-answers';
export type Verdict = 'again' | 'demote' | 'stop';

/** Losses are counted within this time: a driver that restarts once a day is not a broken one. */
const WINDOW_MS = 60_000;
/** The device is lost for the third time within the window: the GPU is given up. */
const MOST_DEVICES = 2;
/** A worker that dies again within the window would die a third time. */
const MOST_WORKERS = 1;

/** What was lost, where an error says that something was. */
export function lossOf({ code, detail }: StitchError): Loss | undefined {
  if (code === 'device-lost' || detail['again'] === true) return 'device';
  if (code === 'worker-died') return 'worker';
  return code === 'unsupported' && detail['worst'] !== undefined ? 'wrong-answers' : undefined;
}

/** The same error, saying that the engine is mending itself. */
export const healing = (error: StitchError): StitchError => withDetail(error, { healing: true });

/** The error of a load that took nothing away from what was there, unless that has `ended`. */
export const ofLoad = (error: StitchError, ended: StitchError | undefined): StitchError =>
  ended ?? withDetail(error, { partial: true });

export class Losses {
  private readonly at: Record<Loss, number[]> = { device: [], worker: [], 'wrong-answers': [] };

  /** `now`: ms of a monotonic clock. `canDemote`: another executor is left to be tried. */
  note(kind: Loss, now: number, canDemote: boolean): Verdict {
    const recent = [...this.at[kind].filter((at) => now - at < WINDOW_MS), now];
    this.at[kind] = recent;
    if (kind === 'worker') return recent.length > MOST_WORKERS ? 'stop' : 'again';
    if (kind === 'device' && recent.length <= MOST_DEVICES) return 'again';
    if (!canDemote) return 'stop';
    this.at.device = [];
    return 'demote';
  }
}

/** What ended it, as an error that does not say that it goes on: a load that found no network, for example. */
export function unmended(loss: StitchError, why: StitchError): StitchError {
  if (!why.recoverable) return why;
  return new StitchError(loss.code, `${loss.message} It could not be mended: ${why.message} Make a new runtime.`, {}, why);
}
