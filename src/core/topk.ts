/** Softmax and the best classes, for logits on the CPU. */
import { StitchError } from './errors';

/** How many answers a frame brings. */
export const TOP_K = 5;

/** One class and its softmax probability over all classes. */
export interface Ranked {
  readonly index: number;
  readonly probability: number;
}

/** Softmax of logits [classes], summed in f64 after the maximum is taken off, so that no logit overflows. */
export function softmax(logits: ArrayLike<number>): Float64Array<ArrayBuffer> {
  let max = -Infinity;
  for (let i = 0; i < logits.length; i += 1) max = Math.max(max, logits[i]!);
  const shares = Float64Array.from(logits, (logit) => Math.exp(logit - max));
  const sum = shares.reduce((total, share) => total + share, 0);
  return shares.map((share) => share / sum);
}

/**
 * The `k` best classes, best first; equal logits in order of index. All classes where there are fewer than `k`.
 * @throws StitchError `argument-invalid` unless `k` is a positive integer, `internal` where a logit is not finite (a network
 * that overflowed has no answer, and NaN would sort anywhere).
 */
export function topK(logits: ArrayLike<number>, k: number): Ranked[] {
  if (!Number.isInteger(k) || k < 1) {
    throw new StitchError('argument-invalid', `topK takes a positive whole number of answers, not ${k}.`, { k });
  }
  for (let i = 0; i < logits.length; i += 1) {
    if (!Number.isFinite(logits[i])) {
      throw new StitchError('internal', `Logit ${i} of ${logits.length} is ${logits[i]}: the network overflowed.`, {
        index: i,
      });
    }
  }
  const shares = softmax(logits);
  // The order is that of the logits, not of the shares: far-off classes underflow to equal shares of 0.
  const order = Array.from({ length: logits.length }, (_, index) => index).sort((a, b) => logits[b]! - logits[a]! || a - b);
  return order.slice(0, k).map((index) => ({ index, probability: shares[index]! }));
}
