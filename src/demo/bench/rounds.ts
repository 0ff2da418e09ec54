/** The arithmetic of measuring: in which order routes run, how far that is, and what the samples say. Times in ms. */

export interface Effort {
  readonly rounds: number;
  /** Frames of one visit after the first, which is the one after a switch. */
  readonly framesPerVisit: number;
}

/** One visit to a route in one round. */
export interface Visit {
  readonly route: string;
  /** The frame before ran on another route. */
  readonly switched: boolean;
}

/**
 * Every route once a round, to and fro: a device that is slower for a second is then not slower for one route, and no route
 * always follows the same one.
 */
export function visitsOf(routes: readonly string[], rounds: number): readonly Visit[] {
  const order = Array.from({ length: rounds }, (_, round) => (round % 2 === 0 ? routes : [...routes].reverse())).flat();
  return order.map((route, i) => ({ route, switched: i > 0 && order[i - 1] !== route }));
}

/** How long the visits take against each other: by the routes' expected times, or all alike where one has none. */
export function weightsOf(visits: readonly Visit[], expectedMs: ReadonlyMap<string, number>): readonly number[] {
  const weights = visits.map(({ route }) => expectedMs.get(route) ?? NaN);
  return weights.every((weight) => weight > 0) ? weights : weights.map(() => 1);
}

export interface Share {
  /** 0…1. */
  readonly done: number;
  /** At the pace so far; NaN before the first visit is over. */
  readonly leftMs: number;
}

export function shareOf(weights: readonly number[], visitsDone: number, elapsedMs: number): Share {
  const total = weights.reduce((sum, one) => sum + one, 0);
  const done = total === 0 ? 1 : weights.slice(0, visitsDone).reduce((sum, one) => sum + one, 0) / total;
  return { done, leftMs: done === 0 ? NaN : (elapsedMs * (1 - done)) / done };
}

/** Linear between the neighbours; NaN of nothing. `share` 0…1. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const [low = NaN, high = low] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low + (high - low) * (at - Math.floor(at));
}

export interface Samples {
  /** Frames that ran on the same route as the frame before. */
  readonly steadyMs: readonly number[];
  /** Frames right after a switch. */
  readonly switchedMs: readonly number[];
}

export interface Figures {
  readonly medianMs: number;
  readonly p95Ms: number;
  /** Median of the frames right after a switch, less the median of the others; null where there was no switch. */
  readonly switchMs: number | null;
}

export function figuresOf({ steadyMs, switchedMs }: Samples): Figures {
  const medianMs = quantile(steadyMs, 0.5);
  return {
    medianMs,
    p95Ms: quantile(steadyMs, 0.95),
    switchMs: switchedMs.length === 0 ? null : quantile(switchedMs, 0.5) - medianMs,
  };
}
