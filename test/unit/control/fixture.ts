/** A ladder of 15 rungs shaped like that of DeiT Ti/S/B: accuracy rises fast at first, cost by a factor of 14 in all. */
import type { Rung } from '../../../src/control/types';

const STEPS: readonly (readonly [costMs: number, top1: number])[] = [
  [4, 70.6],
  [4.9, 72.6],
  [5.9, 74.2],
  [7.1, 75.6],
  [8.5, 76.8],
  [10.3, 77.9],
  [12.4, 78.8],
  [14.6, 79.5],
  [18, 79.9],
  [22, 80.3],
  [27, 80.7],
  [33, 81.1],
  [40, 81.4],
  [48, 81.7],
  [56, 81.9],
];

export const LADDER: readonly Rung[] = STEPS.map(([costMs, top1], k) => ({ id: `r${k}`, costMs, accuracy: top1 / 100 }));

export const rungIndex = (id: string) => LADDER.findIndex((rung) => rung.id === id);
