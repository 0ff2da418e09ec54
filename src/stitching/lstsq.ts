/**
 * Least squares with a bias column, min ‖[A 1]·M - B‖, in f64: snnet.md section 3, least-squares initialisation. Two ways:
 * normal equations where they are safe (normal.ts), else orthogonal (orthogonal.ts), whose answer is the pseudo-inverse's.
 */
import { StitchError } from '../core/errors';
import { ridgeWeight, solveNormal } from './normal';
import { OrthogonalFit } from './orthogonal';
import { packRows, ProductSum, type Rows } from './products';

export interface LeastSquaresOptions {
  /** Ridge on the weights, relative to the mean squared length of the input columns; the bias has none. Default 0. */
  readonly ridge?: number;
  /**
   * Singular values up to this share of the largest count as zero. Default: the rounding of the inputs, 2⁻²³ for f32, and for f64
   * as NumPy's and PyTorch's pseudo-inverse, 2⁻⁵² · max(rows, inputs + 1).
   */
  readonly rcond?: number;
}

/** y = W·x + b. */
export interface AffineSolution {
  /** [outputs, inputs], as torch.nn.Linear keeps it. */
  readonly weight: Float64Array<ArrayBuffer>;
  /** [outputs] */
  readonly bias: Float64Array<ArrayBuffer>;
  readonly method: 'normal' | 'svd';
  /** Directions of [A 1] that the answer rests on, at most inputs + 1. */
  readonly rank: number;
}

/** Sums over rows that one pair of activations needs: [A 1]ᵀ[A 1], [A 1]ᵀB and ‖B‖². Pairs with the same A share the first. */
export interface NormalSums {
  /** [inputs + 1, inputs + 1], mirrored. */
  readonly gram: ProductSum;
  /** [inputs + 1, outputs] */
  readonly cross: ProductSum;
  /** ‖B‖² */
  readonly energy: number;
}

/** [inputs + 1, outputs] -> weight [outputs, inputs] and bias [outputs]. */
export function toAffine(
  matrix: Float64Array,
  inputs: number,
  outputs: number,
): { readonly weight: Float64Array<ArrayBuffer>; readonly bias: Float64Array<ArrayBuffer> } {
  const weight = new Float64Array(outputs * inputs);
  for (let i = 0; i < inputs; i += 1) {
    for (let k = 0; k < outputs; k += 1) weight[k * inputs + i] = matrix[i * outputs + k]!; // [in, out] -> [out, in]
  }
  return { weight, bias: Float64Array.from(matrix.subarray(inputs * outputs)) };
}

/** The answer of the normal equations, or `undefined` where they are singular or too ill-conditioned. */
export function solveSums({ gram, cross }: NormalSums, ridge = 0): AffineSolution | undefined {
  const solved = solveNormal(gram, cross, ridge);
  if (solved === undefined) return undefined;
  return { ...toAffine(solved.matrix, gram.height - 1, cross.width), method: 'normal', rank: gram.height };
}

/** Starts the orthogonal way for a pair whose `gram` is known: the ridge is a few more rows. */
export function startOrthogonal({ gram, cross }: NormalSums, ridge = 0): OrthogonalFit {
  const inputs = gram.height - 1;
  const fit = new OrthogonalFit(inputs, cross.width);
  if (ridge > 0) {
    const root = Math.sqrt(ridgeWeight(gram, ridge));
    const rows = new Float64Array(inputs * inputs);
    for (let i = 0; i < inputs; i += 1) rows[i * inputs + i] = root;
    fit.add(rows, new Float64Array(inputs * cross.width), inputs, 0);
  }
  return fit;
}

/** Ends the orthogonal way. `rows`: how many were added. */
export function finishOrthogonal(
  fit: OrthogonalFit,
  { gram, cross }: NormalSums,
  rows: number,
  single: boolean,
  rcond?: number,
): AffineSolution {
  const limit = rcond ?? (single ? 2 ** -23 : Number.EPSILON * Math.max(rows, gram.height));
  const { matrix, rank } = fit.solve(limit);
  return { ...toAffine(matrix, gram.height - 1, cross.width), method: 'svd', rank };
}

/**
 * ‖[A 1]·M - B‖ / ‖B‖ out of the sums, without the rows: 0 is perfect. Accurate to about 1e-7, where it comes out of a difference.
 */
export function relativeResidual(
  { gram, cross, energy }: NormalSums,
  { weight, bias }: Pick<AffineSolution, 'weight' | 'bias'>,
): number {
  const n = gram.height;
  const inputs = n - 1;
  const outputs = cross.width;
  const column = new Float64Array(n);
  let sum = energy;
  for (let k = 0; k < outputs; k += 1) {
    for (let i = 0; i < inputs; i += 1) column[i] = weight[k * inputs + i]!;
    column[inputs] = bias[k]!;
    for (let i = 0; i < n; i += 1) {
      let product = 0;
      const row = i * gram.stride;
      for (let j = 0; j < n; j += 1) product += gram.data[row + j]! * column[j]!;
      sum += column[i]! * (product - 2 * cross.at(i, k));
    }
  }
  return energy > 0 ? Math.sqrt(Math.max(0, sum) / energy) : 0;
}

/** ‖B - mean of B‖ / ‖B‖: what predicting the mean alone leaves. */
export function meanResidual({ gram, cross, energy }: NormalSums): number {
  const inputs = gram.height - 1;
  const rows = gram.at(inputs, inputs);
  let explained = 0;
  for (let k = 0; k < cross.width; k += 1) explained += cross.at(inputs, k) ** 2 / rows;
  return energy > 0 ? Math.sqrt(Math.max(0, energy - explained) / energy) : 0;
}

/** ‖rows‖² */
export function energyOf(rows: Rows): number {
  let sum = 0;
  for (let i = 0; i < rows.length; i += 1) sum += rows[i]! * rows[i]!;
  return sum;
}

/**
 * All in one call, for rows that are in memory: A [rows, inputs], B [rows, outputs].
 * Errors: argument-invalid where lengths do not agree, a value is not finite, or there is no row.
 */
export function leastSquares(
  a: Rows,
  b: Rows,
  { rows, inputs, outputs }: { readonly rows: number; readonly inputs: number; readonly outputs: number },
  { ridge = 0, rcond }: LeastSquaresOptions = {},
): AffineSolution & { readonly residual: number } {
  if (rows < 1 || a.length !== rows * inputs || b.length !== rows * outputs) {
    const found = `A has ${a.length} and B ${b.length} values for ${rows} rows of ${inputs} and ${outputs}`;
    throw new StitchError('argument-invalid', `${found}. Pass whole rows, at least one.`, { rows, inputs, outputs });
  }
  const gram = new ProductSum(inputs + 1, inputs + 1);
  const cross = new ProductSum(inputs + 1, outputs);
  const left = packRows(a, inputs, rows, true);
  gram.addGram(left);
  gram.mirror();
  cross.add(left, packRows(b, outputs, rows, false));
  const sums: NormalSums = { gram, cross, energy: energyOf(b) };
  requireFinite(sums, 'the rows');
  let solution = solveSums(sums, ridge);
  if (solution === undefined) {
    const fit = startOrthogonal(sums, ridge);
    fit.add(a, b, rows);
    solution = finishOrthogonal(fit, sums, rows, a instanceof Float32Array, rcond);
  }
  return { ...solution, residual: relativeResidual(sums, solution) };
}

/** A NaN or an overflow anywhere in the rows shows in the sums. Errors: argument-invalid. */
export function requireFinite({ gram, cross, energy }: NormalSums, what: string): void {
  if (Number.isFinite(energy) && gram.data.every(Number.isFinite) && cross.data.every(Number.isFinite)) return;
  throw new StitchError(
    'argument-invalid',
    `A value of ${what} is not finite. Check the images and the weights that made it.`,
    {},
  );
}
