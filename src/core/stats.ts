/** Running statistics. No clock; the averages are plain data, so that a state that holds them can be stored and replayed. */

/** An exponentially weighted mean with bias correction: until `weight` reaches the memory it is the plain mean. */
export interface Ewma {
  readonly value: number;
  /** How many samples the value is worth. */
  readonly weight: number;
}

/** `value` counts as `weight` earlier samples; weight 0 is no opinion. */
export function ewma(value = 0, weight = 0): Ewma {
  return { value, weight };
}

/** Adds `x`; `memory` (samples, > 1) is the time constant. A value that is not finite changes nothing. */
export function ewmaAdd(mean: Ewma, x: number, memory: number): Ewma {
  if (!Number.isFinite(x)) return mean;
  const weight = mean.weight * (1 - 1 / memory) + 1;
  return { value: mean.value + (x - mean.value) / weight, weight };
}

/** Quantile `q` (0…1) of ascending values, linear between neighbours; NaN when there are none. */
export function quantileSorted(sorted: ArrayLike<number>, q: number): number {
  if (sorted.length === 0) return NaN;
  const position = Math.min(Math.max(q, 0), 1) * (sorted.length - 1);
  const low = Math.floor(position);
  const below = sorted[low] ?? NaN;
  const above = sorted[Math.min(low + 1, sorted.length - 1)] ?? NaN;
  return below + (above - below) * (position - low);
}

/** The last `size` values and their quantiles. */
export class RollingWindow {
  readonly #ring: Float64Array;
  #next = 0;
  #count = 0;

  constructor(size: number) {
    this.#ring = new Float64Array(size);
  }

  get count(): number {
    return this.#count;
  }

  /** A value that is not finite is ignored. */
  add(value: number): void {
    if (!Number.isFinite(value)) return;
    this.#ring[this.#next] = value;
    this.#next = (this.#next + 1) % this.#ring.length;
    this.#count = Math.min(this.#count + 1, this.#ring.length);
  }

  /** Each asked quantile (0…1) with one sort; NaN while empty. */
  quantiles(...qs: readonly number[]): number[] {
    const sorted = this.#ring.slice(0, this.#count).sort();
    return qs.map((q) => quantileSorted(sorted, q));
  }

  clear(): void {
    this.#next = 0;
    this.#count = 0;
  }
}
