/**
 * RGBA pixels of any size to the network's input, on the CPU: centre crop, antialiased resize (geometry.ts), normalisation.
 *
 * Rows first, then columns, in f32. Unlike Pillow nothing is rounded to 8 bits, neither between the passes nor at the end; like
 * Pillow both passes are clamped to 0…255, which matters for the overshoot of the bicubic filter only. Alpha is ignored: straight
 * (not premultiplied) RGB is read.
 */
import type { InputSpec } from '../bundle/manifest';
import type { PixelFrame } from '../core/types';
import { type AxisTaps, checkPixels, filterTaps } from './geometry';

/**
 * Makes a function from a frame's pixels [height, width, 4] to f32 [3, size, size], (v / 255 - mean) / std. The function keeps
 * the tables of the last frame size and one buffer; its result is a new array each time.
 * Errors of the function: frame-invalid (see `checkPixels`).
 */
export function createResampler(input: InputSpec): (frame: PixelFrame) => Float32Array<ArrayBuffer> {
  const { size, mean, std } = input;
  let tables: { width: number; height: number; across: AxisTaps; down: AxisTaps } | undefined;
  let rows = new Float32Array(0);
  return (frame) => {
    checkPixels(frame);
    const { width, height, data } = frame;
    if (tables?.width !== width || tables.height !== height) {
      const { x, y } = filterTaps(width, height, input);
      tables = { width, height, across: x, down: y };
    }
    const { across, down } = tables;
    const top = down.starts[0]!;
    const bottom = down.starts[size - 1]! + down.taps;
    if (rows.length < (bottom - top) * size * 3) rows = new Float32Array((bottom - top) * size * 3);
    for (let y = top; y < bottom; y += 1) {
      resampleRow(data, y * width * 4, across, rows, (y - top) * size * 3); // [width, 4] -> [size, 3]
    }
    const out = new Float32Array(3 * size * size);
    for (let channel = 0; channel < 3; channel += 1) {
      const gain = 1 / (255 * std[channel]!);
      const shift = -mean[channel]! / std[channel]!;
      for (let y = 0; y < size; y += 1) {
        const from = (down.starts[y]! - top) * size * 3 + channel;
        for (let x = 0; x < size; x += 1) {
          let sum = 0;
          for (let t = 0; t < down.taps; t += 1) sum += down.weights[y * down.taps + t]! * rows[from + (t * size + x) * 3]!;
          out[(channel * size + y) * size + x] = clamp(sum) * gain + shift; // [rows, size, 3] -> [3, size, size]
        }
      }
    }
    return out;
  };
}

/** One row of RGBA pixels, from byte `at` on, to RGB triples from `to` on. [width, 4] -> [outputs, 3] */
function resampleRow(
  data: PixelFrame['data'],
  at: number,
  { taps, starts, weights }: AxisTaps,
  out: Float32Array,
  to: number,
): void {
  for (let i = 0; i < starts.length; i += 1) {
    let red = 0;
    let green = 0;
    let blue = 0;
    let from = at + starts[i]! * 4;
    for (let t = i * taps; t < (i + 1) * taps; t += 1) {
      const weight = weights[t]!;
      red += weight * data[from]!;
      green += weight * data[from + 1]!;
      blue += weight * data[from + 2]!;
      from += 4;
    }
    out[to + i * 3] = clamp(red);
    out[to + i * 3 + 1] = clamp(green);
    out[to + i * 3 + 2] = clamp(blue);
  }
}

const clamp = (value: number): number => Math.min(255, Math.max(0, value));
