/** Rounding to int8 and back. */
import { describe, expect, it } from 'vitest';
import { dequantizeRows, quantizeRows } from '../../../src/model/int8';
import { expectError } from '../bundle/expect-error';
import { normals } from '../stitching/random';

describe('quantizeRows', () => {
  it('scales every row by its own largest weight, which becomes ±127', () => {
    const { values, scale } = quantizeRows('w', Float32Array.of(1, -127, 63, 0.5, 0.25, -0.125), 2);
    expect([...scale]).toEqual([1, Math.fround(0.5 / 127)]);
    expect([...values]).toEqual([1, -127, 63, 127, 64, -32]);
  });

  it('rounds to nearest, ties to even', () => {
    const { values } = quantizeRows('w', Float32Array.of(127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 2.51, -3.49), 1);
    expect([...values]).toEqual([127, 0, 2, 2, 0, -2, -2, 3, -3]);
  });

  it('gives a row of zeros the scale 0', () => {
    const rows = quantizeRows('w', Float32Array.of(0, -0, 0, 3, 0, 0), 2);
    expect([...rows.scale]).toEqual([0, Math.fround(3 / 127)]);
    expect([...rows.values]).toEqual([0, 0, 0, 127, 0, 0]);
    expect([...dequantizeRows(rows)].map(Math.abs)).toEqual([0, 0, 0, Math.fround(127 * Math.fround(3 / 127)), 0, 0]);
  });

  it('comes back within half a step of every weight, whatever the size of the row', () => {
    const [rows, columns] = [40, 51];
    const data = Float32Array.from(normals(rows * columns, 3), (value, i) => value * 10 ** (Math.floor(i / columns) - 20));
    const quantized = quantizeRows('w', data, rows);
    const back = dequantizeRows(quantized);
    let worst = 0;
    for (const [i, value] of data.entries()) {
      const step = quantized.scale[Math.floor(i / columns)]!;
      worst = Math.max(worst, Math.abs(back[i]! - value) / step);
    }
    // f32 rounding of scale and product takes a little of its own.
    expect(worst).toBeLessThan(0.5001);
    expect(worst).toBeGreaterThan(0.45);
    expect(Math.max(...quantized.values)).toBe(127);
    expect(Math.min(...quantized.values)).toBeGreaterThanOrEqual(-127);
  });

  it('does not wrap around where the scale is among the smallest numbers', () => {
    // 182 steps of the smallest f32: its scale rounds down to one step.
    const { values, scale } = quantizeRows('w', Float32Array.of(182 * 2 ** -149, -182 * 2 ** -149, 2 ** -149), 1);
    expect([...scale]).toEqual([2 ** -149]);
    expect([...values]).toEqual([127, -127, 1]);
    // And here to none.
    expect(quantizeRows('w', Float32Array.of(2 ** -149), 1)).toEqual({ values: Int8Array.of(0), scale: Float32Array.of(0) });
  });

  it('takes weights that f16 could not hold', () => {
    const back = dequantizeRows(quantizeRows('w', Float32Array.of(1e6, -5e5), 1));
    expect(back[0]).toBeCloseTo(1e6, 0);
    expect(back[1]).toBeCloseTo(-5e5, -4);
  });

  it.each([Number.NaN, Infinity, -Infinity])('refuses %d, naming tensor and index', async (value) => {
    await expectError(
      () => quantizeRows('fc1.weight', Float32Array.of(1, 2, value), 1),
      'bundle-invalid',
      'fc1.weight',
      'index 2',
    );
  });
});
