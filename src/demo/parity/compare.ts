/** Two executors' answers to the same picture, against each other. */
import type { Prediction } from '../../index';

/** Best first, as executors give them: the most likely few of all classes. */
type Top = readonly Pick<Prediction, 'index' | 'probability'>[];

export interface Difference {
  /** Both name the same class first. */
  readonly sameFirst: boolean;
  /**
   * Largest difference of a class's probability, 0…1, over the classes that either names. One that the other does not name is at
   * most as likely there as the last that it does, so the difference is at least what exceeds that.
   */
  readonly largest: number;
}

export function differenceOf(a: Top, b: Top): Difference {
  const classes = new Set([...a, ...b].map(({ index }) => index));
  const largest = [...classes].reduce((most, index) => Math.max(most, apart(find(a, index), find(b, index), a, b)), 0);
  return { sameFirst: a[0] !== undefined && a[0].index === b[0]?.index, largest };
}

const find = (top: Top, index: number) => top.find((one) => one.index === index)?.probability;
const least = (top: Top) => top.at(-1)?.probability ?? 0;

function apart(inA: number | undefined, inB: number | undefined, a: Top, b: Top): number {
  if (inA !== undefined && inB !== undefined) return Math.abs(inA - inB);
  return inA === undefined ? (inB ?? 0) - least(a) : inA - least(b);
}

/** The worst of several; no differences at all agree. */
export function worstOf(differences: readonly Difference[]): Difference {
  return {
    sameFirst: differences.every(({ sameFirst }) => sameFirst),
    largest: differences.reduce((most, { largest }) => Math.max(most, largest), 0),
  };
}
