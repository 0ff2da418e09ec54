/** Chance that can be repeated. */
export { seeded } from '../unit/bundle/make-bundle';

/** 0 ≤ x < 1. */
export type Random = () => number;

/** A whole number, 0 ≤ n < `below`. */
export const whole = (random: Random, below: number): number => Math.floor(random() * below);

export function pick<T>(random: Random, from: readonly T[]): T {
  const found = from[whole(random, from.length)];
  if (found === undefined) throw new Error('There is nothing to pick from.');
  return found;
}
