/**
 * The careful way to a least-squares answer: rows are folded into a triangular factor by Householder reflections, which does
 * not square the condition number, and the singular values of that factor (one-sided Jacobi, after Drmač and Veselić) decide what is
 * kept. The answer is that of the pseudo-inverse: minimum norm where the data do not determine it.
 */
import type { Rows } from './products';

/** Rows folded in at once. */
const BLOCK = 256;
const MAX_SWEEPS = 60;

export interface OrthogonalSolution {
  /** [inputs + 1, outputs], the last row is the bias. */
  readonly matrix: Float64Array<ArrayBuffer>;
  /** Singular values kept, of inputs + 1. */
  readonly rank: number;
  /** Largest singular value by the smallest, Infinity where the smallest is 0. */
  readonly condition: number;
}

/** Accumulates [A 1] and B as the triangular factor R and QᵀB; a pass over any number of rows in constant memory. */
export class OrthogonalFit {
  readonly #inputs: number;
  readonly #outputs: number;
  /** inputs + 1 */
  readonly #n: number;
  /** [n, n + outputs]: R, upper triangular, and beside it QᵀB. */
  readonly #state: Float64Array<ArrayBuffer>;

  constructor(inputs: number, outputs: number) {
    this.#inputs = inputs;
    this.#outputs = outputs;
    this.#n = inputs + 1;
    this.#state = new Float64Array(this.#n * (this.#n + outputs));
  }

  /** Adds rows: `a` [rows, inputs], `b` [rows, outputs]; `one` is the value of the bias column. */
  add(a: Rows, b: Rows, rows: number, one = 1): void {
    const width = this.#n + this.#outputs;
    for (let from = 0; from < rows; from += BLOCK) {
      const count = Math.min(BLOCK, rows - from);
      const block = new Float64Array(count * width);
      for (let row = 0; row < count; row += 1) {
        const at = from + row;
        block.set(a.subarray(at * this.#inputs, (at + 1) * this.#inputs), row * width);
        block[row * width + this.#inputs] = one;
        block.set(b.subarray(at * this.#outputs, (at + 1) * this.#outputs), row * width + this.#n); // [rows, A | 1 | B]
      }
      this.#fold(block, count);
    }
  }

  /** Reflects the block's columns 0…n-1 to zero, into R. */
  #fold(block: Float64Array, count: number): void {
    const state = this.#state;
    const width = this.#n + this.#outputs;
    const sums = new Float64Array(width);
    for (let k = 0; k < this.#n; k += 1) {
      let tail = 0;
      for (let row = 0; row < count; row += 1) tail += block[row * width + k]! ** 2;
      if (tail === 0) continue;
      const pivot = state[k * width + k]!;
      const length = Math.sqrt(pivot * pivot + tail);
      const head = pivot + (pivot < 0 ? -length : length); // no cancellation: same sign
      const factor = 2 / (head * head + tail);
      // sums = vᵀ · [R; block] for v = (head, the block's column k), over the columns from k on.
      for (let j = k; j < width; j += 1) sums[j] = head * state[k * width + j]!;
      for (let row = 0; row < count; row += 1) {
        const v = block[row * width + k]!;
        if (v !== 0) for (let j = k; j < width; j += 1) sums[j] = sums[j]! + v * block[row * width + j]!;
      }
      for (let j = k; j < width; j += 1) {
        sums[j] = sums[j]! * factor;
        state[k * width + j] = state[k * width + j]! - head * sums[j]!;
      }
      for (let row = 0; row < count; row += 1) {
        const v = block[row * width + k]!;
        if (v !== 0) for (let j = k; j < width; j += 1) block[row * width + j] = block[row * width + j]! - v * sums[j]!;
      }
    }
  }

  /** The answer; singular values up to `rcond` times the largest count as zero. Ends the accumulation. */
  solve(rcond: number): OrthogonalSolution {
    const [n, outputs, rows] = [this.#n, this.#outputs, this.#state];
    const width = n + outputs;
    orthogonalizeRows(rows, n, width);
    // Now row i is σᵢ·vᵢᵀ, and beside it uᵢᵀB.
    const squares = Float64Array.from({ length: n }, (_, i) => dot(rows, i * width, i * width, n));
    const top = squares.reduce((most, square) => Math.max(most, square), 0);
    const floor = top * rcond * rcond;
    const matrix = new Float64Array(n * outputs);
    let rank = 0;
    for (let i = 0; i < n; i += 1) {
      const square = squares[i]!;
      if (!(square > floor)) continue;
      rank += 1;
      for (let j = 0; j < n; j += 1) {
        const share = rows[i * width + j]! / square;
        for (let k = 0; k < outputs; k += 1)
          matrix[j * outputs + k] = matrix[j * outputs + k]! + share * rows[i * width + n + k]!;
      }
    }
    const least = squares.reduce((least_, square) => Math.min(least_, square), Infinity);
    return { matrix, rank, condition: Math.sqrt(top / least) };
  }
}

/**
 * Rotates pairs of rows until the first `n` values of all rows are orthogonal to each other; the rest of a row turns along.
 * One-sided Jacobi on the rows of a triangular factor converges in a few sweeps and keeps small singular values accurate.
 */
function orthogonalizeRows(rows: Float64Array, n: number, width: number): void {
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep += 1) {
    let turned = false;
    for (let p = 0; p < n - 1; p += 1) {
      for (let q = p + 1; q < n; q += 1) {
        const pp = dot(rows, p * width, p * width, n);
        const qq = dot(rows, q * width, q * width, n);
        const pq = dot(rows, p * width, q * width, n);
        if (Math.abs(pq) <= 1e-15 * Math.sqrt(pp * qq) || pq === 0) continue;
        turned = true;
        const zeta = (qq - pp) / (2 * pq);
        const tangent = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
        const cosine = 1 / Math.hypot(1, tangent);
        rotate(rows, p * width, q * width, width, cosine, cosine * tangent);
      }
    }
    if (!turned) return;
  }
}

function dot(rows: Float64Array, a: number, b: number, count: number): number {
  let sum = 0;
  for (let j = 0; j < count; j += 1) sum += rows[a + j]! * rows[b + j]!;
  return sum;
}

function rotate(rows: Float64Array, p: number, q: number, width: number, cosine: number, sine: number): void {
  for (let j = 0; j < width; j += 1) {
    const x = rows[p + j]!;
    const y = rows[q + j]!;
    rows[p + j] = cosine * x - sine * y;
    rows[q + j] = sine * x + cosine * y;
  }
}
