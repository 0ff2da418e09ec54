/** Comparing arrays of numbers with a message that helps. */
import { expect } from 'vitest';

/** Largest absolute difference; Infinity where the lengths differ, NaN counts as infinitely far. */
export function maxAbsError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity;
  let worst = 0;
  for (let i = 0; i < actual.length; i += 1) {
    const error = Math.abs(actual[i]! - expected[i]!);
    worst = Math.max(worst, Number.isNaN(error) ? Infinity : error);
  }
  return worst;
}

/**
 * Fails unless every |actual - expected| ≤ tolerance; the message shows the first mismatches and the largest error.
 * @returns the largest error
 */
export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, label: string): number {
  const worst = maxAbsError(actual, expected);
  if (worst <= tolerance) {
    // Counts as an assertion, so that a test whose loop never ran does not pass `expect.hasAssertions()`.
    expect(worst).toBeLessThanOrEqual(tolerance);
    return worst;
  }
  const lines = [`${label}: largest error ${worst}, allowed ${tolerance}`];
  if (actual.length !== expected.length) lines.push(`  ${actual.length} values, expected ${expected.length}`);
  for (let i = 0; i < Math.min(actual.length, expected.length) && lines.length < 9; i += 1) {
    if (!(Math.abs(actual[i]! - expected[i]!) <= tolerance)) lines.push(`  [${i}] ${actual[i]}, expected ${expected[i]}`);
  }
  return expect.fail(lines.join('\n'));
}
