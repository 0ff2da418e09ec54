/**
 * int8 weights: symmetric, one scale an output row, so that the scale leaves the sum over the inputs and is applied once an
 * output. Source: docs/bundle-format.md, int8 weights.
 */
import { StitchError } from '../core/errors';

/** weight[row, column] = values[row, column] · scale[row]. */
export interface QuantizedRows {
  /** −127…127, row-major [rows, columns]. */
  readonly values: Int8Array<ArrayBuffer>;
  /** [rows]; 0 for a row of zeros. */
  readonly scale: Float32Array<ArrayBuffer>;
}

export const LARGEST_INT8 = 127;

/** Where the scale of an int8 tensor stands: f32 [rows]. */
export const scaleName = (tensor: string): string => `${tensor}.scale`;

/**
 * Rounds a matrix [rows, columns] to int8, to nearest with ties to even; the largest weight of a row becomes ±127.
 * Errors: bundle-invalid where a value is not finite; `name` is what the message calls the tensor.
 */
export function quantizeRows(name: string, data: Float32Array, rows: number): QuantizedRows {
  const columns = data.length / rows;
  const values = new Int8Array(data.length);
  const scale = new Float32Array(rows);
  for (let row = 0; row < rows; row += 1) {
    const [from, to] = [row * columns, (row + 1) * columns];
    let largest = 0;
    for (let i = from; i < to; i += 1) {
      const size = Math.abs(data[i]!);
      if (!(size < Infinity)) refuse(name, data[i]!, i);
      if (size > largest) largest = size;
    }
    const step = Math.fround(largest / LARGEST_INT8);
    scale[row] = step;
    if (step === 0) continue;
    for (let i = from; i < to; i += 1) values[i] = clamp(toEven(data[i]! / step));
  }
  return { values, scale };
}

/** A scale among the smallest f32 is rounded by up to half of itself, which would carry its row beyond ±127. */
const clamp = (value: number): number => Math.max(-LARGEST_INT8, Math.min(LARGEST_INT8, value));

function toEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

function refuse(name: string, value: number, index: number): never {
  const problem = `Tensor ${name} has the value ${value} at index ${index}`;
  const remedy = 'Weights must be finite. Check the checkpoint it came from.';
  throw new StitchError('bundle-invalid', `${problem}. ${remedy}`, { tensor: name, value, index });
}

/** The weights that every executor computes with, in f32: [rows, columns]. */
export function dequantizeRows({ values, scale }: QuantizedRows): Float32Array<ArrayBuffer> {
  const columns = values.length / scale.length;
  const data = new Float32Array(values.length);
  for (let row = 0; row < scale.length; row += 1) {
    const step = scale[row]!;
    for (let i = row * columns; i < (row + 1) * columns; i += 1) data[i] = values[i]! * step;
  }
  return data;
}
