/** Seeded numbers and plain matrices for tests. */

/** Roughly normal values, mean 0, deviation 1. */
export function normals(count: number, seed: number): Float64Array<ArrayBuffer> {
  let state = seed >>> 0 || 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Float64Array.from({ length: count }, () => {
    let sum = -6;
    for (let i = 0; i < 12; i += 1) sum += next();
    return sum;
  });
}

/** [rows, inner] · [inner, columns] */
export function product(a: ArrayLike<number>, b: ArrayLike<number>, rows: number, inner: number, columns: number) {
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i += 1) {
    for (let k = 0; k < inner; k += 1) {
      for (let j = 0; j < columns; j += 1) out[i * columns + j]! += a[i * inner + k]! * b[k * columns + j]!;
    }
  }
  return out;
}

/** [rows, columns] -> [columns, rows] */
export function transposed(a: ArrayLike<number>, rows: number, columns: number): Float64Array<ArrayBuffer> {
  return Float64Array.from({ length: rows * columns }, (_, i) => a[(i % rows) * columns + Math.floor(i / rows)]!);
}

/** W·x + b for every row: x [rows, inputs], weight [outputs, inputs]. */
export function affine(
  x: ArrayLike<number>,
  { weight, bias }: { readonly weight: ArrayLike<number>; readonly bias: ArrayLike<number> },
  rows: number,
  inputs: number,
): Float64Array<ArrayBuffer> {
  const outputs = bias.length;
  const y = product(x, transposed(weight, outputs, inputs), rows, inputs, outputs);
  return y.map((value, i) => value + bias[i % outputs]!);
}

/** ‖a - b‖ / ‖b‖ */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [difference, length] = [0, 0];
  for (let i = 0; i < b.length; i += 1) {
    difference += (a[i]! - b[i]!) ** 2;
    length += b[i]! ** 2;
  }
  return a.length === b.length ? Math.sqrt(difference / length) : Infinity;
}
