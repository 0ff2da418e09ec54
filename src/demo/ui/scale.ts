/** Numbers that come from the measured ladder: the slider's range, its first position, and the chart's top. */
import type { Rung } from '../../index';

export interface Range {
  readonly min: number;
  readonly max: number;
  readonly step: number;
}

const NICE = [1, 1.5, 2, 3, 4, 5, 6, 8, 10];

/** The smallest number of the form 1, 1.5, 2, 3, … × 10ⁿ that is not below `value`. */
export function niceAbove(value: number): number {
  const unit = 10 ** Math.floor(Math.log10(value));
  return (NICE.find((one) => one * unit >= value * (1 - 1e-9)) ?? 10) * unit;
}

/**
 * From below the cheapest rung, where nothing fits, to well above the dearest, so that there is room for a device that has
 * become slow. A budget from the URL stays inside.
 */
export function sliderRange(ladder: readonly Rung[], budgetMs: number): Range {
  const costs = ladder.map((rung) => rung.costMs).filter((cost) => cost > 0);
  const low = costs.length > 0 ? Math.min(...costs) : budgetMs;
  const high = costs.length > 0 ? Math.max(...costs) : budgetMs;
  const max = Math.max(niceAbove(high * 2.5), niceAbove(budgetMs));
  const step = max <= 5 ? 0.05 : max <= 20 ? 0.1 : max <= 100 ? 0.5 : 1;
  const min = Math.max(step, Math.floor((Math.min(low * 0.5, budgetMs) / step) * (1 + 1e-9)) * step);
  return { min: round(min), max: round(max), step };
}

/** Where the slider starts: the dearest rung fits, with room to spare. */
export function niceBudget(ladder: readonly Rung[]): number {
  const high = Math.max(...ladder.map((rung) => rung.costMs), 0);
  return high > 0 ? round(niceAbove(high * 1.5)) : 33;
}

const round = (value: number) => Number(value.toPrecision(6));
