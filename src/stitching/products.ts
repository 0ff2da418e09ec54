/**
 * Sums of products of rows in f64: the hot loop of the least-squares fit. Rows come as f32 in batches, are packed into panels of
 * four columns, and tiles of 4 × 4 sums stay in registers over a panel: about a thousand million products a second in plain
 * JavaScript.
 */

/** Rows of values, row-major: [rows, columns]. */
export type Rows = Float32Array | Float64Array;

const TILE = 4;
/** Rows packed at once; two panels of a few hundred columns then fit in the second-level cache. */
const BLOCK = 128;

/** Columns of a row set in panels, [tiles, rows, 4]: column 4·t + k of row r stands at (t · rows + r) · 4 + k. */
export interface Panel {
  readonly data: Float64Array;
  readonly tiles: number;
  readonly rows: number;
}

/** Packs rows `from`…`from + count - 1` of [·, columns]; `ones` appends a column of ones. The last panel is padded with zeros. */
function pack(source: Rows, columns: number, from: number, count: number, ones: boolean): Panel {
  const width = columns + (ones ? 1 : 0);
  const tiles = Math.ceil(width / TILE);
  const data = new Float64Array(tiles * count * TILE);
  for (let row = 0; row < count; row += 1) {
    const start = (from + row) * columns;
    for (let column = 0; column < columns; column += 1) {
      data[((column >> 2) * count + row) * TILE + (column & 3)] = source[start + column]!; // [rows, columns] -> [tiles, rows, 4]
    }
    if (ones) data[((columns >> 2) * count + row) * TILE + (columns & 3)] = 1;
  }
  return { data, tiles, rows: count };
}

/** A batch of rows in packed blocks, made once and used by every product that the batch takes part in. */
export function packRows(source: Rows, columns: number, rows: number, ones: boolean): readonly Panel[] {
  const panels: Panel[] = [];
  for (let from = 0; from < rows; from += BLOCK) panels.push(pack(source, columns, from, Math.min(BLOCK, rows - from), ones));
  return panels;
}

/** A sum over rows of outer products, f64 [height, width]; rows are padded to `stride` values. */
export class ProductSum {
  readonly height: number;
  readonly width: number;
  readonly stride: number;
  readonly data: Float64Array;

  constructor(height: number, width: number) {
    this.height = height;
    this.width = width;
    this.stride = Math.ceil(width / TILE) * TILE;
    this.data = new Float64Array(Math.ceil(height / TILE) * TILE * this.stride);
  }

  at(row: number, column: number): number {
    return this.data[row * this.stride + column]!;
  }

  /** Adds leftᵀ · right: panels of [rows, height] and [rows, width], block by block the same rows. */
  add(left: readonly Panel[], right: readonly Panel[]): void {
    for (const [block, a] of left.entries()) {
      const b = right[block]!;
      for (let i = 0; i < a.tiles; i += 1) {
        for (let j = 0; j < b.tiles; j += 1) addTile(a, i, b, j, this.data, i * TILE * this.stride + j * TILE, this.stride);
      }
    }
  }

  /** Adds rowsᵀ · rows, of which only the upper tiles are computed; call `mirror` before reading. */
  addGram(rows: readonly Panel[]): void {
    for (const panel of rows) {
      for (let i = 0; i < panel.tiles; i += 1) {
        for (let j = i; j < panel.tiles; j += 1) {
          addTile(panel, i, panel, j, this.data, i * TILE * this.stride + j * TILE, this.stride);
        }
      }
    }
  }

  /** Copies the upper triangle to the lower one. */
  mirror(): void {
    for (let i = 0; i < this.height; i += 1) {
      for (let j = 0; j < i; j += 1) this.data[i * this.stride + j] = this.data[j * this.stride + i]!;
    }
  }
}

/** One 4 × 4 tile of sums, written out so that all sixteen live in registers. */
function addTile(left: Panel, i: number, right: Panel, j: number, out: Float64Array, at: number, stride: number): void {
  const { data: pa, rows } = left;
  const { data: pb } = right;
  let a = i * rows * TILE;
  let b = j * rows * TILE;
  let [c00, c01, c02, c03, c10, c11, c12, c13] = [0, 0, 0, 0, 0, 0, 0, 0];
  let [c20, c21, c22, c23, c30, c31, c32, c33] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (let row = 0; row < rows; row += 1) {
    const a0 = pa[a]!;
    const a1 = pa[a + 1]!;
    const a2 = pa[a + 2]!;
    const a3 = pa[a + 3]!;
    const b0 = pb[b]!;
    const b1 = pb[b + 1]!;
    const b2 = pb[b + 2]!;
    const b3 = pb[b + 3]!;
    c00 += a0 * b0;
    c01 += a0 * b1;
    c02 += a0 * b2;
    c03 += a0 * b3;
    c10 += a1 * b0;
    c11 += a1 * b1;
    c12 += a1 * b2;
    c13 += a1 * b3;
    c20 += a2 * b0;
    c21 += a2 * b1;
    c22 += a2 * b2;
    c23 += a2 * b3;
    c30 += a3 * b0;
    c31 += a3 * b1;
    c32 += a3 * b2;
    c33 += a3 * b3;
    a += TILE;
    b += TILE;
  }
  addFour(out, at, c00, c01, c02, c03);
  addFour(out, at + stride, c10, c11, c12, c13);
  addFour(out, at + 2 * stride, c20, c21, c22, c23);
  addFour(out, at + 3 * stride, c30, c31, c32, c33);
}

function addFour(out: Float64Array, at: number, w: number, x: number, y: number, z: number): void {
  out[at] = out[at]! + w;
  out[at + 1] = out[at + 1]! + x;
  out[at + 2] = out[at + 2]! + y;
  out[at + 3] = out[at + 3]! + z;
}
