/**
 * Products with a matrix in panels: [inner, columns] as [⌈columns / 8⌉, inner, 8], where the columns that the last panel lacks are 0.
 * Eight columns are two vectors, and each value of a row multiplies both. Four rows at a time: more do not fit into the registers
 * that V8 leaves, their addresses included.
 */
import { madd } from './math';

/** Columns of a panel. */
export const PANEL: usize = 8;
/** Rows that stay in the cache while all panels pass by; a multiple of 4. */
export const ROWS_KEPT: usize = 60;
const ROWS: usize = 4;

/** A result of fewer than eight columns, lane by lane. */
function storeFew(to: usize, low: v128, high: v128, columns: usize): void {
  f32.store(to, f32x4.extract_lane(low, 0));
  if (columns > 1) f32.store(to, f32x4.extract_lane(low, 1), 4);
  if (columns > 2) f32.store(to, f32x4.extract_lane(low, 2), 8);
  if (columns > 3) f32.store(to, f32x4.extract_lane(low, 3), 12);
  if (columns > 4) f32.store(to, f32x4.extract_lane(high, 0), 16);
  if (columns > 5) f32.store(to, f32x4.extract_lane(high, 1), 20);
  if (columns > 6) f32.store(to, f32x4.extract_lane(high, 2), 24);
}

// @ts-ignore: decorator
@inline
function store(to: usize, low: v128, high: v128, columns: usize): void {
  if (columns >= PANEL) {
    v128.store(to, low);
    v128.store(to, high, 16);
  } else storeFew(to, low, high, columns);
}

/** One row times one panel, plus bias. */
function row1(a: usize, panel: usize, bias0: v128, bias1: v128, out: usize, inner: usize, columns: usize): void {
  let low = bias0, high = bias1;
  for (const end = a + (inner << 2); a < end; a += 4, panel += 32) {
    const x = v128.load_splat<f32>(a);
    low = madd(x, v128.load(panel), low);
    high = madd(x, v128.load(panel, 16), high);
  }
  store(out, low, high, columns);
}

/** Four rows times one panel, plus bias. Strides are bytes from row to row. */
function row4(
  a0: usize, aStride: usize, panel: usize, bias0: v128, bias1: v128, out: usize, outStride: usize, inner: usize, columns: usize,
): void {
  let l0 = bias0, l1 = bias0, l2 = bias0, l3 = bias0;
  let h0 = bias1, h1 = bias1, h2 = bias1, h3 = bias1;
  let a1 = a0 + aStride;
  let a2 = a1 + aStride;
  let a3 = a2 + aStride;
  for (const end = a0 + (inner << 2); a0 < end; a0 += 4, a1 += 4, a2 += 4, a3 += 4, panel += 32) {
    const low = v128.load(panel);
    const high = v128.load(panel, 16);
    let x = v128.load_splat<f32>(a0);
    l0 = madd(x, low, l0);
    h0 = madd(x, high, h0);
    x = v128.load_splat<f32>(a1);
    l1 = madd(x, low, l1);
    h1 = madd(x, high, h1);
    x = v128.load_splat<f32>(a2);
    l2 = madd(x, low, l2);
    h2 = madd(x, high, h2);
    x = v128.load_splat<f32>(a3);
    l3 = madd(x, low, l3);
    h3 = madd(x, high, h3);
  }
  store(out, l0, h0, columns);
  store((out += outStride), l1, h1, columns);
  store((out += outStride), l2, h2, columns);
  store((out += outStride), l3, h3, columns);
}

/**
 * out [rows, columns] = a [rows, inner] · panels + bias. `bias` 0 is none, else it has a value for each column of the panels.
 * `out` overlaps nothing.
 */
export function multiply(
  a: usize, aStride: usize, panels: usize, bias: usize, out: usize, outStride: usize, rows: usize, inner: usize, columns: usize,
): void {
  for (let column: usize = 0; column < columns; column += PANEL, panels += inner << 5) {
    const bias0 = bias ? v128.load(bias + (column << 2)) : i64x2.splat(0);
    const bias1 = bias ? v128.load(bias + (column << 2), 16) : i64x2.splat(0);
    const to = out + (column << 2);
    const few = columns - column;
    let row: usize = 0;
    for (; row + ROWS <= rows; row += ROWS) {
      row4(a + row * aStride, aStride, panels, bias0, bias1, to + row * outStride, outStride, inner, few);
    }
    if (row < rows && rows >= ROWS) {
      // The last rows once more with some before them: they come out the same.
      row = rows - ROWS;
      row4(a + row * aStride, aStride, panels, bias0, bias1, to + row * outStride, outStride, inner, few);
    } else {
      for (; row < rows; row++) row1(a + row * aStride, panels, bias0, bias1, to + row * outStride, inner, few);
    }
  }
}
