import { describe, expect, it } from 'vitest';
import { leastSquares } from '../../../src/stitching/lstsq';
import { expectError } from '../bundle/expect-error';
import { affine, distance, normals, product, transposed } from './random';

const ROWS = 300;
const INPUTS = 13;
const OUTPUTS = 9;
const SHAPE = { rows: ROWS, inputs: INPUTS, outputs: OUTPUTS };
const truth = { weight: normals(OUTPUTS * INPUTS, 2), bias: normals(OUTPUTS, 3) };

/** ‖[A 1]ᵀ([A 1]M - B)‖ against ‖[A 1]‖·‖B‖: 0 exactly at the least-squares answer, whatever the method. */
function gradient(a: ArrayLike<number>, b: ArrayLike<number>, found: typeof truth, rows: number, inputs: number): number {
  const outputs = found.bias.length;
  const rest = affine(a, found, rows, inputs).map((value, i) => value - b[i]!);
  const withOnes = Float64Array.from({ length: rows * (inputs + 1) }, (_, i) => {
    const [row, column] = [Math.floor(i / (inputs + 1)), i % (inputs + 1)];
    return column < inputs ? a[row * inputs + column]! : 1;
  });
  return (
    Math.hypot(...product(transposed(withOnes, rows, inputs + 1), rest, inputs + 1, rows, outputs)) /
    Math.hypot(...Array.from(b))
  );
}

describe('least squares, well-conditioned', () => {
  const a = normals(ROWS * INPUTS, 1).map((value) => value + 0.5);

  it('finds an exact affine map, weight as [outputs, inputs] and bias', () => {
    const b = affine(a, truth, ROWS, INPUTS);
    const found = leastSquares(a, b, SHAPE);
    expect(distance(found.weight, truth.weight)).toBeLessThan(1e-12);
    expect(distance(found.bias, truth.bias)).toBeLessThan(1e-12);
    expect(found).toMatchObject({ method: 'normal', rank: INPUTS + 1 });
    expect(found.residual).toBeLessThan(1e-6);
  });

  it('agrees with the closed form of one input', () => {
    const [x, y] = [Float64Array.of(1, 2, 4), Float64Array.of(1, 3, 4)];
    // Means 7/3 and 8/3; Σ(x-x̄)(y-ȳ) = 13/3 and Σ(x-x̄)² = 14/3, so the slope is 13/14.
    const found = leastSquares(x, y, { rows: 3, inputs: 1, outputs: 1 });
    expect(found.weight[0]).toBeCloseTo(13 / 14, 12);
    expect(found.bias[0]).toBeCloseTo(8 / 3 - (13 / 14) * (7 / 3), 12);
  });

  it('leaves a residual orthogonal to the inputs, and says how large it is', () => {
    const b = affine(a, truth, ROWS, INPUTS).map((value, i) => value + 3 * Math.sin(i));
    const found = leastSquares(a, b, SHAPE);
    expect(gradient(a, b, found, ROWS, INPUTS)).toBeLessThan(1e-11);
    expect(found.residual).toBeCloseTo(distance(affine(a, found, ROWS, INPUTS), b), 9);
  });

  it('takes f32 rows, and widths that are no multiple of the tile', () => {
    const f32 = Float32Array.from(a);
    const found = leastSquares(f32, Float32Array.from(affine(f32, truth, ROWS, INPUTS)), SHAPE);
    expect(distance(found.weight, truth.weight)).toBeLessThan(1e-6);
  });

  it('does not mind channels of very different size', () => {
    const sizes = Float64Array.from({ length: INPUTS }, (_, i) => 10 ** (i - 6));
    const scaled = a.map((value, i) => value * sizes[i % INPUTS]!);
    const found = leastSquares(scaled, affine(a, truth, ROWS, INPUTS), SHAPE);
    const undone = found.weight.map((value, i) => value * sizes[i % INPUTS]!);
    expect(found.method).toBe('normal');
    expect(distance(undone, truth.weight)).toBeLessThan(1e-9);
  });

  it('shrinks the weights with a ridge, but not the bias', () => {
    const centred = normals(ROWS * INPUTS, 4);
    const b = affine(centred, truth, ROWS, INPUTS);
    const norms = [0, 0.1, 10].map((ridge) => Math.hypot(...leastSquares(centred, b, SHAPE, { ridge }).weight));
    expect(norms[0]).toBeGreaterThan(norms[1]!);
    expect(norms[1]).toBeGreaterThan(2 * norms[2]!);
    const flat = leastSquares(centred, b, SHAPE, { ridge: 1e6 });
    const means = truth.bias.map((_, k) => b.filter((_value, i) => i % OUTPUTS === k).reduce((sum, v) => sum + v, 0) / ROWS);
    expect(distance(flat.bias, means)).toBeLessThan(1e-3);
  });
});

describe('least squares, rank-deficient', () => {
  const base = normals(ROWS * 3, 5);
  const mix = normals(3 * INPUTS, 6);
  const a = product(base, mix, ROWS, 3, INPUTS);

  it('gives the pseudo-inverse’s answer: the smallest of all that fit', () => {
    const b = affine(a, truth, ROWS, INPUTS);
    const found = leastSquares(a, b, SHAPE);
    expect(found).toMatchObject({ method: 'svd', rank: 4 });
    expect(distance(affine(a, found, ROWS, INPUTS), b)).toBeLessThan(1e-10);
    // Minimum norm means no part outside the row space of [A 1]: projecting the weights on mix's rows changes nothing.
    const gram = product(mix, transposed(mix, 3, INPUTS), 3, INPUTS, 3);
    for (let k = 0; k < OUTPUTS; k += 1) {
      const row = found.weight.slice(k * INPUTS, (k + 1) * INPUTS);
      const coefficients = solve3(gram, product(mix, row, 3, INPUTS, 1));
      expect(distance(product(coefficients, mix, 1, 3, INPUTS), row)).toBeLessThan(1e-9);
    }
  });

  it('splits the weight of a doubled channel evenly and gives a dead one none', () => {
    const x = normals(ROWS, 7);
    const doubled = Float32Array.from({ length: ROWS * 3 }, (_, i) => (i % 3 === 2 ? 0 : x[Math.floor(i / 3)]!));
    const y = Float32Array.from(x, (value) => Math.fround(value) * 2 + 1);
    const found = leastSquares(doubled, y, { rows: ROWS, inputs: 3, outputs: 1 });
    expect(found.rank).toBe(2);
    expect(distance(found.weight, [1, 1, 0])).toBeLessThan(1e-6);
    expect(found.bias[0]).toBeCloseTo(1, 6);
  });

  it('gives the minimum-norm answer for fewer rows than channels', () => {
    const few = normals(5 * INPUTS, 8);
    const b = normals(5 * OUTPUTS, 9);
    const found = leastSquares(few, b, { rows: 5, inputs: INPUTS, outputs: OUTPUTS });
    expect(found).toMatchObject({ method: 'svd', rank: 5 });
    expect(distance(affine(few, found, 5, INPUTS), b)).toBeLessThan(1e-11);
    // The answer lies in the span of the rows of [A 1]: M = [A 1]ᵀ·C, and so has no part orthogonal to them.
    const other = normals(INPUTS, 10);
    const free = orthogonalTo(few, 5, Float64Array.of(...other, 1));
    for (let k = 0; k < OUTPUTS; k += 1) {
      const row = Float64Array.of(...found.weight.slice(k * INPUTS, (k + 1) * INPUTS), found.bias[k]!);
      expect(Math.abs(row.reduce((sum, value, i) => sum + value * free[i]!, 0))).toBeLessThan(1e-10);
    }
  });
});

describe('least squares, ill-conditioned', () => {
  it.each([1e-3, 1e-5, 1e-6, 1e-7])('keeps its digits with channels that differ by %d', (gap) => {
    const noise = normals(ROWS, 11);
    const a = normals(ROWS * INPUTS, 12);
    for (let row = 0; row < ROWS; row += 1) a[row * INPUTS + 1] = a[row * INPUTS]! + gap * noise[row]!;
    const b = affine(a, truth, ROWS, INPUTS);
    const found = leastSquares(a, b, SHAPE);
    expect(found.rank).toBe(INPUTS + 1);
    // An orthogonal method loses as many digits as the condition number has, not twice as many.
    expect(distance(found.weight, truth.weight)).toBeLessThan(1e-14 / gap + 1e-7);
    expect(distance(affine(a, found, ROWS, INPUTS), b)).toBeLessThan(1e-9);
  });

  it('takes the orthogonal way there', () => {
    const a = normals(ROWS * INPUTS, 12);
    for (let row = 0; row < ROWS; row += 1) a[row * INPUTS + 1] = a[row * INPUTS]! * (1 + 1e-7 * Math.sin(row));
    expect(leastSquares(a, affine(a, truth, ROWS, INPUTS), SHAPE).method).toBe('svd');
  });

  it('does not invert the rounding of f32: weights stay small enough for f16', () => {
    const a = Float32Array.from(normals(ROWS * INPUTS, 13));
    for (let row = 0; row < ROWS; row += 1) {
      a[row * INPUTS + 1] = a[row * INPUTS]! / 3 + a[row * INPUTS + 2]! / 7;
    }
    const b = Float32Array.from(normals(ROWS * OUTPUTS, 14));
    const found = leastSquares(a, b, SHAPE);
    expect(found).toMatchObject({ method: 'svd', rank: INPUTS });
    expect(Math.max(...found.weight.map(Math.abs))).toBeLessThan(10);
  });
});

describe('least squares, wrong input', () => {
  const a = normals(20, 15);
  it('refuses rows that do not fit, none at all, and values that are not finite', async () => {
    const shape = { rows: 10, inputs: 2, outputs: 1 };
    await expectError(() => leastSquares(a, a, shape), 'argument-invalid', '20');
    await expectError(
      () => leastSquares(a.slice(0, 0), a.slice(0, 0), { ...shape, rows: 0 }),
      'argument-invalid',
      'at least one',
    );
    const bad = a.with(3, Number.NaN);
    await expectError(() => leastSquares(bad, a.slice(0, 10), shape), 'argument-invalid', 'not finite');
    await expectError(() => leastSquares(a, a.slice(0, 10).with(3, Infinity), shape), 'argument-invalid', 'not finite');
  });
});

/** Cramer's rule for a 3 × 3 system. */
function solve3(m: ArrayLike<number>, y: ArrayLike<number>): number[] {
  const at = (i: number, j: number) => m[i * 3 + j]!;
  const det = (f: (i: number, j: number) => number) =>
    f(0, 0) * (f(1, 1) * f(2, 2) - f(1, 2) * f(2, 1)) -
    f(0, 1) * (f(1, 0) * f(2, 2) - f(1, 2) * f(2, 0)) +
    f(0, 2) * (f(1, 0) * f(2, 1) - f(1, 1) * f(2, 0));
  return [0, 1, 2].map((k) => det((i, j) => (j === k ? y[i]! : at(i, j))) / det(at));
}

/** `vector` [n + 1] less its part in the span of the rows of [A 1], by Gram-Schmidt, twice for accuracy. */
function orthogonalTo(a: ArrayLike<number>, rows: number, vector: Float64Array): number[] {
  const n = vector.length;
  const basis: number[][] = [];
  const reduce = (v: number[]): number[] => {
    let rest = v;
    for (let pass = 0; pass < 2; pass += 1) {
      for (const unit of basis) {
        const share = rest.reduce((sum, value, i) => sum + value * unit[i]!, 0);
        rest = rest.map((value, i) => value - share * unit[i]!);
      }
    }
    return rest;
  };
  for (let row = 0; row < rows; row += 1) {
    const rest = reduce(Array.from({ length: n }, (_, i) => (i < n - 1 ? a[row * (n - 1) + i]! : 1)));
    const length = Math.hypot(...rest);
    basis.push(rest.map((value) => value / length));
  }
  return reduce([...vector]);
}
