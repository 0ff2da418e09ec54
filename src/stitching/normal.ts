/**
 * The fast way to a least-squares answer: the normal equations by Cholesky in f64, refused where their condition number, the
 * square of the data's, would cost more digits than an f16 weight has.
 */
import type { ProductSum } from './products';

/** Above this the answer would be off in about its sixth digit, and the orthogonal way takes over. */
const MAX_CONDITION = 1e10;
const POWER_STEPS = 12;

export interface NormalSolution {
  /** [inputs + 1, outputs], the last row is the bias. */
  readonly matrix: Float64Array<ArrayBuffer>;
  /** Estimated condition number of the equilibrated Gram matrix. */
  readonly condition: number;
}

/** The ridge as an absolute number: `ridge` times the mean squared length of the input columns. */
export function ridgeWeight(gram: ProductSum, ridge: number): number {
  const inputs = gram.height - 1;
  let trace = 0;
  for (let i = 0; i < inputs; i += 1) trace += gram.at(i, i);
  return inputs === 0 ? 0 : (ridge * trace) / inputs;
}

/**
 * Solves (G + λ·diag(1…1, 0)) M = X for the Gram matrix G = [A 1]ᵀ[A 1], [inputs + 1, inputs + 1], and X = [A 1]ᵀB,
 * [inputs + 1, outputs]; the bias carries no ridge. `undefined` where G is singular or too ill-conditioned.
 */
export function solveNormal(gram: ProductSum, cross: ProductSum, ridge = 0): NormalSolution | undefined {
  const n = gram.height;
  const lambda = ridgeWeight(gram, ridge);
  // Columns scaled to length 1: channels of very different size are no ill-conditioning.
  const scale = new Float64Array(n);
  for (let i = 0; i < n; i += 1) {
    const length = gram.at(i, i) + (i < n - 1 ? lambda : 0);
    if (!(length > 0)) return undefined;
    scale[i] = 1 / Math.sqrt(length);
  }
  const scaled = new Float64Array(n * n);
  for (let i = 0; i < n; i += 1) {
    for (let j = 0; j < n; j += 1) scaled[i * n + j] = i === j ? 1 : gram.at(i, j) * scale[i]! * scale[j]!;
  }
  const factor = cholesky(scaled, n);
  if (factor === undefined) return undefined;
  const condition = largest(scaled, n) * largestOfInverse(factor, n);
  if (!(condition <= MAX_CONDITION)) return undefined;
  const outputs = cross.width;
  const matrix = new Float64Array(n * outputs);
  for (let i = 0; i < n; i += 1) {
    for (let k = 0; k < outputs; k += 1) matrix[i * outputs + k] = cross.at(i, k) * scale[i]!;
  }
  substitute(factor, n, matrix, outputs);
  for (let i = 0; i < n; i += 1) {
    for (let k = 0; k < outputs; k += 1) matrix[i * outputs + k] = matrix[i * outputs + k]! * scale[i]!;
  }
  return { matrix, condition };
}

/** The lower factor L of a symmetric matrix, L·Lᵀ, [n, n]; `undefined` where a pivot is lost in rounding. */
function cholesky(matrix: Float64Array, n: number): Float64Array | undefined {
  const lower = new Float64Array(n * n);
  for (let i = 0; i < n; i += 1) {
    for (let j = 0; j <= i; j += 1) {
      let sum = matrix[i * n + j]!;
      for (let k = 0; k < j; k += 1) sum -= lower[i * n + k]! * lower[j * n + k]!;
      if (i !== j) lower[i * n + j] = sum / lower[j * n + j]!;
      else if (sum > n * Number.EPSILON) lower[i * n + i] = Math.sqrt(sum);
      else return undefined;
    }
  }
  return lower;
}

/** Solves L·Lᵀ·X = Y in place, Y [n, columns]. Whole rows at a time, so that memory is read in order. */
function substitute(lower: Float64Array, n: number, y: Float64Array, columns: number): void {
  const eliminate = (target: number, source: number, factor: number) => {
    const [to, from] = [target * columns, source * columns];
    for (let k = 0; k < columns; k += 1) y[to + k] = y[to + k]! - factor * y[from + k]!;
  };
  const divide = (row: number, by: number) => {
    for (let k = row * columns; k < (row + 1) * columns; k += 1) y[k] = y[k]! / by;
  };
  for (let i = 0; i < n; i += 1) {
    for (let j = 0; j < i; j += 1) eliminate(i, j, lower[i * n + j]!);
    divide(i, lower[i * n + i]!);
  }
  for (let i = n - 1; i >= 0; i -= 1) {
    for (let j = i + 1; j < n; j += 1) eliminate(i, j, lower[j * n + i]!);
    divide(i, lower[i * n + i]!);
  }
}

/** A start vector that no matrix of practice is orthogonal to. */
const startVector = (n: number): Float64Array => Float64Array.from({ length: n }, (_, i) => 1 + ((i * 7) % 11) / 11);

/** Largest eigenvalue of a symmetric positive matrix, by power iteration: an estimate from below. */
function largest(matrix: Float64Array, n: number): number {
  return iterate(n, (x) => {
    const y = new Float64Array(n);
    for (let i = 0; i < n; i += 1) {
      let sum = 0;
      for (let j = 0; j < n; j += 1) sum += matrix[i * n + j]! * x[j]!;
      y[i] = sum;
    }
    return y;
  });
}

function largestOfInverse(lower: Float64Array, n: number): number {
  return iterate(n, (x) => {
    const y = Float64Array.from(x);
    substitute(lower, n, y, 1);
    return y;
  });
}

function iterate(n: number, apply: (x: Float64Array) => Float64Array): number {
  let x = startVector(n);
  let growth = 0;
  for (let step = 0; step < POWER_STEPS; step += 1) {
    const length = Math.hypot(...x);
    x = apply(x.map((value) => value / length)) as Float64Array<ArrayBuffer>;
    growth = Math.hypot(...x);
  }
  return growth;
}
