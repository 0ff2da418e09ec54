/**
 * What the device may work for us: seconds a minute by energy mode and battery, kept by a token bucket. Busy is GPU time where
 * there are timestamps, else the whole time of the frame. An unknown battery takes nothing away. Pure.
 */
import type { EnergyMode } from '../core/types';
import type { BatteryTier } from './budget';
import { TUNING } from './tuning';

const MINUTE_MS = 60_000;
/** The device cannot work for longer than this in a minute, so this plan is none. */
export const NO_LIMIT = 60;

export interface Bucket {
  /** Busy ms that may be spent now; negative after a frame, until refilled. */
  readonly tokensMs: number;
  readonly at: number;
}

/** Busy seconds a minute. */
export function planSeconds(energy: EnergyMode, battery: BatteryTier): number {
  const { planLow, planMid, planHigh } = TUNING;
  const left = battery === 'low' ? planLow : battery === 'mid' ? planMid : battery === 'high' ? planHigh : 1;
  const share = energy === 'performance' ? Math.sqrt(left) : left;
  return NO_LIMIT * share * (energy === 'saver' ? TUNING.planSaver : 1);
}

export function emptyBucket(now: number): Bucket {
  return { tokensMs: 0, at: now };
}

export function refill({ tokensMs, at }: Bucket, now: number, plan: number): Bucket {
  const gained = (Math.max(0, now - at) * plan) / NO_LIMIT;
  return { tokensMs: Math.min(tokensMs + gained, TUNING.planBurstMs), at: now };
}

/** The bucket after a frame that kept the device busy for `busyMs`. */
export function spend(bucket: Bucket, now: number, plan: number, busyMs: number): Bucket {
  const full = refill(bucket, now, plan);
  // A single absurd time (a laptop that slept in the middle of a frame) is not held against us for minutes.
  return { tokensMs: Math.max(full.tokensMs - busyMs, -TUNING.planDebtMostMs), at: now };
}

/** When the next frame may begin, on the events' clock; in the past where there is no reason to wait. */
export function readyAt({ tokensMs, at }: Bucket, plan: number): number {
  return plan >= NO_LIMIT || tokensMs >= 0 ? at : at - (tokensMs * NO_LIMIT) / plan;
}

/** So that the first frame alone does not look like a minute full of them. */
const LEAST_SPAN_MS = 5000;

/** Busy seconds of the last minute, from times of answers; for a status line. */
export class BusyMeter {
  readonly #frames: { readonly at: number; readonly ms: number }[] = [];
  #first: number | undefined;

  add(at: number, ms: number): void {
    this.#first ??= at - ms;
    this.#frames.push({ at, ms });
  }

  /** Scaled up while less than a minute has passed since the first frame. */
  secondsPerMinute(now: number): number {
    while ((this.#frames[0]?.at ?? Infinity) < now - MINUTE_MS) this.#frames.shift();
    if (this.#first === undefined) return 0;
    const busy = this.#frames.reduce((sum, { ms }) => sum + ms, 0);
    const passed = Math.min(Math.max(now - this.#first, LEAST_SPAN_MS), MINUTE_MS);
    return (busy / 1000) * (MINUTE_MS / passed);
  }
}
