/**
 * How a unit's weights lie in its GPU buffer: tensors at 256-byte aligned ranges, in the layout that the kernels read. No GPU
 * object is needed for it, so that memory can be counted anywhere.
 *
 * f16: two to a word; a matrix [N, K…] is K-major with N padded to 8 columns, which are one vec4<u32>; a vector is padded to 8.
 * int8: four to a word; K-major with N padded to 8 columns, which are one vec2<u32>; its scales are f32 [N], padded to 8.
 */
import { words16 } from '../bundle/safetensors';
import { scaleName } from '../model/int8';
import type { StoredTensor } from '../model/stored';
import type { TensorSpec } from '../model/units';
import { PANEL_COLUMNS } from './kernels/gemm/gemm';

export interface WeightRange {
  readonly name: string;
  /** In bytes, aligned as a binding must be. */
  readonly offset: number;
  readonly bytes: number;
}

export interface UnitLayout {
  readonly ranges: readonly WeightRange[];
  readonly bytes: number;
}

/** WebGPU's default minStorageBufferOffsetAlignment. */
const ALIGN = 256;
const F16_BYTES = 2;
const F32_BYTES = 4;

const roundUp = (value: number, to: number): number => Math.ceil(value / to) * to;

/** Where every tensor of a unit goes; the scales of an int8 matrix follow it under their own name. */
export function layoutOf<T extends TensorSpec>(tensors: readonly T[], isInt8: (matrix: T) => boolean): UnitLayout {
  const ranges: WeightRange[] = [];
  let size = 0;
  const add = (name: string, bytes: number): void => {
    ranges.push({ name, offset: size, bytes });
    size = roundUp(size + bytes, ALIGN);
  };
  for (const tensor of tensors) {
    const count = tensor.shape.reduce((a, b) => a * b, 1);
    if (!tensor.matrix) {
      add(tensor.name, roundUp(count, PANEL_COLUMNS) * F16_BYTES);
      continue;
    }
    const [n = 1] = tensor.shape;
    const columns = roundUp(n, PANEL_COLUMNS);
    const int8 = isInt8(tensor);
    add(tensor.name, columns * (count / n) * (int8 ? 1 : F16_BYTES));
    if (int8) add(scaleName(tensor.name), columns * F32_BYTES);
  }
  return { ranges, bytes: size };
}

/** The buffer of a unit and where its tensors are in it. */
interface PackedUnit {
  readonly layout: UnitLayout;
  readonly packed: ArrayBuffer;
}

/** Values that are packed between two stops: about a quarter of a millisecond. */
const SLICE = 65_536;

/** Packs a unit, with a stop now and then so that a frame that is waiting has its turn. */
export function* packUnit(tensors: readonly StoredTensor[]): Generator<undefined, PackedUnit> {
  const layout = layoutOf(tensors, ({ int8 }) => int8 !== undefined);
  const packed = new ArrayBuffer(layout.bytes);
  const place = new Map(layout.ranges.map((range) => [range.name, range]));
  for (const { name, shape, matrix, view, int8 } of tensors) {
    const { offset, bytes } = place.get(name)!;
    if (int8 !== undefined) {
      yield* packMatrix(int8.values, shape, new Int8Array(packed, offset, bytes));
      const scales = place.get(scaleName(name))!;
      new Float32Array(packed, scales.offset, scales.bytes / F32_BYTES).set(int8.scale);
      continue;
    }
    const target = new Uint16Array(packed, offset, bytes / F16_BYTES);
    if (matrix) yield* packMatrix(words16(view), shape, target);
    else target.set(words16(view));
  }
  return { layout, packed };
}

/** [N, K…] row-major → [K, ⌈N/8⌉·8], zero-padded: the eight columns of one k lie side by side. */
function* packMatrix<T extends Uint16Array | Int8Array>(source: T, shape: readonly number[], target: T): Generator<undefined> {
  const [n = 1] = shape;
  const k = source.length / n;
  const stride = roundUp(n, PANEL_COLUMNS);
  const rows = Math.max(1, Math.floor(SLICE / k));
  for (let first = 0; first < n; first += rows) {
    for (let row = first; row < Math.min(n, first + rows); row++) {
      let from = row * k;
      for (let to = row; to < k * stride; to += stride) target[to] = source[from++]!;
    }
    yield;
  }
}
