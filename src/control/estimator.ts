/**
 * How slow the device is now, against its profile. One factor is shared by all rungs, so that a frame on any of them says
 * what the others would take; a small decaying bias per rung absorbs what is not shared.
 *
 * Two means of the log slowdown. The slow one is the estimate. The fast one watches the residuals against it in units of
 * their spread: when it leaves its band (a jump), the estimate moves at once to the residuals that pushed it out. A raw
 * maximum of both would follow noise at rest; the band makes the fast mean count only where it means something, and
 * clipping with a minimum run keeps single spikes from ever being a jump.
 */
import { exp, log } from '../core/exact';
import { ewma, ewmaAdd } from '../core/stats';
import type { Ewma } from '../core/stats';
import { TUNING } from './tuning';
import type { Rung } from './types';

/** A bias of a rung as it was at `at` (ms); it decays with time. */
interface Bias {
  readonly id: string;
  readonly value: number;
  readonly at: number;
}

export interface Estimate {
  /** Log slowdown. */
  readonly level: Ewma;
  /** Log standard deviation of latency, from differences of successive samples: blind to drift and jumps. */
  readonly spread: Ewma;
  /** Fast mean of standardised, clipped residuals. */
  readonly fast: number;
  /** Residuals in a row on one side, signed by the side. */
  readonly run: number;
  /** Share of frames that were spikes, spikes in a row not yet known to be the start of a jump, and the least of these (log slowdown). */
  readonly spikes: number;
  readonly pending: number;
  readonly pendingLeast: number;
  /** Last observed log slowdown. */
  readonly last: number | null;
  /** One a rung that was ever seen; a list because a record of many keys is slow to copy on every frame. */
  readonly bias: readonly Bias[];
}

export type Jump = 'none' | 'up' | 'down';

/** E|a − b| of two normal variables of standard deviation 1. */
const MEAN_DIFFERENCE = 1.128;
/** A difference of more than this many times the mean one says nothing more. */
const DIFFERENCE_CLIP = 3;

export function freshEstimate(): Estimate {
  return {
    level: ewma(0, TUNING.slowPrior),
    spread: ewma(TUNING.spreadPrior, TUNING.spreadPriorWeight),
    fast: 0,
    run: 0,
    spikes: TUNING.spikePrior,
    pending: 0,
    pendingLeast: 0,
    last: null,
    bias: [],
  };
}

/** The same level, believed only as much as a profile: after a pause the device may have cooled or been loaded. */
export function doubt(estimate: Estimate): Estimate {
  const weight = Math.min(estimate.level.weight, TUNING.slowPrior);
  return { ...estimate, level: ewma(estimate.level.value, weight), fast: 0, run: 0, pending: 0, last: null };
}

/** Moves the level, for example because the profile it refers to changed. */
export function shiftLevel(estimate: Estimate, by: number): Estimate {
  const level = ewma(clip(estimate.level.value + by, TUNING.levelMost), estimate.level.weight);
  return { ...estimate, level, pending: 0, last: null };
}

/** Log standard deviation of latency now. */
export function spreadOf(estimate: Estimate): number {
  return Math.min(Math.max(estimate.spread.value, TUNING.spreadLeast), TUNING.spreadMost);
}

/** Expected median latency of a rung, ms. */
export function medianMs(estimate: Estimate, rung: Rung, now: number): number {
  return rung.costMs * exp(estimate.level.value + biasOf(estimate, rung.id, now));
}

/** Latency of a rung that a share q of frames stays under, ms; wider while the level itself is uncertain. */
export function tailMs(estimate: Estimate, rung: Rung, now: number): number {
  const spread = spreadOf(estimate) * Math.sqrt(1 + 1 / Math.max(estimate.level.weight, 1));
  return medianMs(estimate, rung, now) * exp(TUNING.z * spread);
}

/** One believed latency (ms, positive and finite) of one rung. */
export function observe(before: Estimate, rung: Rung, latencyMs: number, now: number): { estimate: Estimate; jump: Jump } {
  const bias = biasOf(before, rung.id, now);
  const seen = clip(log(latencyMs / rung.costMs) - bias, TUNING.levelMost);
  const spread = spreadOf(before);
  const residual = seen - before.level.value;
  const standard = residual / spread;
  // Members of a run agree: noise before a jump, or two spikes of different height, are no evidence of one level.
  const agrees = before.last !== null && Math.abs(seen - before.last) <= TUNING.runAgreement * spread;
  const side = Math.abs(standard) > TUNING.runSpread ? Math.sign(standard) : 0;
  const run = agrees && side === Math.sign(before.run) ? before.run + side : side;
  const fast = before.fast + TUNING.fastGain * (clip(standard, TUNING.fastClip) - before.fast);
  const needed = before.spikes > TUNING.spikyShare && run > 0 ? TUNING.jumpRunSpiky : TUNING.jumpRun;

  const following = nextSpread(before, seen, spread);
  if (Math.abs(fast) > TUNING.jumpThreshold && Math.abs(run) >= needed && Math.sign(fast) === Math.sign(run)) {
    return jumped(before, (seen + (before.last ?? seen)) / 2, seen, following);
  }
  const spike = standard > TUNING.fastClip;
  const pendingLeast = before.pending > 0 ? Math.min(before.pendingLeast, seen) : seen;
  // A scheduler that shares out a loaded processor gives frames that never agree. So many in a row are no chance, and the
  // least of them is what the device can be trusted with.
  if (spike && before.pending + 1 >= TUNING.jumpSpikes) return jumped(before, pendingLeast, seen, following);
  const bounded = clip(residual, TUNING.slowClip * spread);
  return {
    estimate: {
      level: ewmaAdd(before.level, before.level.value + bounded, TUNING.slowMemory),
      spread: following,
      fast,
      run,
      // A spike is counted only when the next frame shows that it was one.
      spikes: spike ? before.spikes : before.spikes + (before.pending - before.spikes) / TUNING.spikeMemory,
      pending: spike ? before.pending + 1 : 0,
      pendingLeast,
      last: seen,
      bias: withBias(before.bias, { id: rung.id, value: clip(bias + TUNING.biasGain * bounded, TUNING.biasMost), at: now }),
    },
    jump: 'none',
  };
}

/** The level moved to `level` at once, and believed as little as two frames are. */
function jumped(before: Estimate, level: number, seen: number, spread: Ewma): { estimate: Estimate; jump: Jump } {
  const estimate = { ...before, level: ewma(level, 2), spread, fast: 0, run: 0, pending: 0, last: seen };
  return { estimate, jump: level > before.level.value ? 'up' : 'down' };
}

function nextSpread(before: Estimate, seen: number, spread: number): Ewma {
  if (before.last === null) return before.spread;
  const difference = Math.min(Math.abs(seen - before.last) / MEAN_DIFFERENCE, DIFFERENCE_CLIP * spread);
  return ewmaAdd(before.spread, difference, TUNING.spreadMemory);
}

function withBias(all: readonly Bias[], bias: Bias): Bias[] {
  const next = all.slice();
  const index = next.findIndex(({ id }) => id === bias.id);
  if (index < 0) next.push(bias);
  else next[index] = bias;
  return next;
}

function biasOf(estimate: Estimate, id: string, now: number): number {
  const bias = estimate.bias.find((one) => one.id === id);
  return bias ? bias.value * exp(-Math.max(0, now - bias.at) / TUNING.biasDecayMs) : 0;
}

function clip(value: number, most: number): number {
  return Math.min(Math.max(value, -most), most);
}
