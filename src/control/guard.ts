/**
 * The page-jank guard: when the page's own animation stutters while the network runs, it first gives up frames, not accuracy,
 * and takes them back slowly. Where giving up frames does not help, the stutter is not of our making and it lets go. Pure.
 */
import { TUNING } from './tuning';
import type { PageEvent } from './types';

export interface Guard {
  /** Share of frames that the guard leaves, 0…1. */
  readonly share: number;
  /** When it last moved, ms. */
  readonly at: number;
  /** Mean frames a second of the page at this share; null before a reading. */
  readonly fps: number | null;
  /** The same before the first cut; null while nothing is cut. */
  readonly before: number | null;
  /** Readings in a row with a stutter. */
  readonly stutters: number;
  /** Since when the page has run smoothly, ms; null while it does not. */
  readonly smoothSince: number | null;
  /** The least share that made the page stutter after a step back; null while none is known. */
  readonly tooMuch: number | null;
  /** How long the page must run smoothly before that share is tried again, ms: doubles with each failure. */
  readonly patienceMs: number;
  /** Until when the guard keeps out of it, because cutting had not helped, ms; and how long the next such pause is. */
  readonly until: number;
  readonly pauseMs: number;
}

export const NO_GUARD: Guard = {
  share: 1,
  at: 0,
  fps: null,
  before: null,
  stutters: 0,
  smoothSince: null,
  tooMuch: null,
  patienceMs: TUNING.jankPatienceMs,
  until: 0,
  pauseMs: TUNING.jankPauseMs,
};

/** One reading of the page. `running`: frames were answered lately, so that a stutter may be ours. */
export function guardAfter(guard: Guard, { now, fps, longMs }: Omit<PageEvent, 'type'>, running: boolean): Guard {
  // A record holds null for what is no number.
  if (typeof fps !== 'number' || !(fps >= 0 && fps < Infinity) || now < guard.until)
    return guard.share === 1 ? guard : { ...guard, share: 1, before: null };
  const janky = fps < TUNING.jankFps || (longMs !== 'unknown' && longMs > TUNING.jankLongMs);
  const mean = guard.fps === null ? fps : guard.fps + TUNING.jankGainOfMean * (fps - guard.fps);
  const seen = { ...guard, fps: mean, stutters: janky ? guard.stutters + 1 : 0 };
  return janky ? (running ? cut(seen, now, mean) : seen) : giveBack(seen, now);
}

function cut(guard: Guard, now: number, fps: number): Guard {
  const { before, share, at, patienceMs } = guard;
  const moved = { ...guard, smoothSince: null };
  // One bad second is no reason to begin, or to begin again.
  if (before === null && guard.stutters < TUNING.jankReadings) return moved;
  if (share === 1 && guard.stutters < TUNING.jankReadings) return guard;
  if (before !== null && now - at < TUNING.jankStepMs) return moved;
  if (before !== null && guard.smoothSince !== null) {
    // It was smooth at the share before: back to that one, and longer.
    const failed = share;
    const back = Math.max(TUNING.jankShareLeast, round(share - TUNING.jankStep));
    return {
      ...moved,
      share: back,
      at: now,
      fps: null,
      tooMuch: failed,
      patienceMs: Math.min(2 * patienceMs, TUNING.jankPatienceMostMs),
    };
  }
  if (share > TUNING.jankShareLeast) {
    return {
      ...moved,
      before: before ?? fps,
      share: Math.max(TUNING.jankShareLeast, round(share * TUNING.jankCut)),
      at: now,
      fps: null,
    };
  }
  if (now - at < TUNING.jankJudgeMs || fps >= (before ?? fps) + TUNING.jankGain) return moved;
  return {
    ...NO_GUARD,
    at: now,
    until: now + guard.pauseMs,
    pauseMs: Math.min(2 * guard.pauseMs, TUNING.jankPauseMostMs),
  };
}

function giveBack(guard: Guard, now: number): Guard {
  const smoothSince = guard.smoothSince ?? now;
  const steady = { ...guard, smoothSince };
  if (guard.share === 1) return now - smoothSince > TUNING.jankForgetMs ? { ...NO_GUARD, smoothSince } : steady;
  const share = Math.min(1, round(guard.share + TUNING.jankStep));
  const risky = guard.tooMuch !== null && share >= guard.tooMuch;
  if (now - Math.max(smoothSince, guard.at) < (risky ? guard.patienceMs : TUNING.jankPatienceMs)) return steady;
  return {
    ...steady,
    share,
    at: now,
    fps: null,
    tooMuch: risky ? null : guard.tooMuch,
  };
}

/** So that the shares of a record read well. */
const round = (share: number): number => Math.round(share * 100) / 100;
