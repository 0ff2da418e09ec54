/**
 * Weights on the GPU: one buffer per unit (block, embed, head, stitch), f16 packed two to a word, tensors at 256-byte
 * aligned ranges in the layout the kernels read. Every buffer is an int32 tensor of the tfjs backend (`tf.ts`).
 */
import type { TensorView } from '../bundle/safetensors';
import { StitchError } from '../core/errors';
import type { TensorSpec } from '../model/units';
import type { BufferRange, GpuCounters } from './kernel';
import { TILE_COLUMNS } from './kernels/gemm';
import type { TfDevice, WeightTensor } from './tf';

/** WebGPU's default minStorageBufferOffsetAlignment. */
const ALIGN = 256;

/** How a tensor is packed: `matrix` [N, K…] becomes K-major with N padded to 8; `vector` is padded to 8 values. */
type Packing = 'matrix' | 'vector';

/** Linear weights are the only `weight`s of more than one axis; biases, norms, class token and positions are vectors. */
const packingOf = ({ name, shape }: TensorSpec): Packing =>
  name.endsWith('.weight') && shape.length > 1 ? 'matrix' : 'vector';

export interface WeightStore {
  addUnit(unit: string, specs: readonly TensorSpec[], tensors: ReadonlyMap<string, TensorView>): void;
  /** Errors: bundle-invalid when no loaded unit holds it. */
  range(tensor: string): BufferRange;
  /** The tfjs tensor of the unit that holds it, and its byte offset there. Errors: as `range`. */
  resident(tensor: string): { readonly tensor: WeightTensor; readonly offset: number };
  readonly bytes: number;
  dispose(): void;
}

const roundUp = (value: number, to: number): number => Math.ceil(value / to) * to;

function halvesOf(name: string, view: TensorView): Uint16Array {
  if (view.dtype !== 'F16') {
    throw new StitchError('bundle-invalid', `Tensor ${name} is ${view.dtype}, but shards hold F16. Re-pack the bundle.`, {
      tensor: name,
    });
  }
  // Safetensors promises no alignment of a tensor inside the file.
  const aligned = view.data.byteOffset % 2 === 0 ? view.data : view.data.slice();
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2);
}

/** [N, K…] row-major → [K, ⌈N/8⌉·8], zero-padded: eight columns of one k are one vec4<u32>. */
function packMatrix(source: Uint16Array, shape: readonly number[], target: Uint16Array): void {
  const n = shape[0] ?? 0;
  const k = source.length / n;
  const stride = roundUp(n, TILE_COLUMNS);
  for (let row = 0; row < n; row++) {
    let from = row * k;
    for (let to = row; to < k * stride; to += stride) target[to] = source[from++] ?? 0;
  }
}

const missing = (tensor: string): StitchError =>
  new StitchError('bundle-invalid', `Tensor ${tensor} is not loaded: it is in no shard read so far. Re-pack the bundle.`, {
    tensor,
  });

function packedLength(kind: Packing, shape: readonly number[]): number {
  const count = shape.reduce((a, b) => a * b, 1);
  if (kind === 'vector') return roundUp(count, TILE_COLUMNS);
  const n = shape[0] ?? 0;
  return roundUp(n, TILE_COLUMNS) * (count / n);
}

export function createWeightStore(device: GPUDevice, tf: TfDevice, counters: GpuCounters): WeightStore {
  const ranges = new Map<string, Required<BufferRange>>();
  const tensorOf = new Map<GPUBuffer, WeightTensor>();
  const units = new Set<string>();
  let bytes = 0;
  const range = (tensor: string): Required<BufferRange> => {
    const found = ranges.get(tensor);
    if (found === undefined) throw missing(tensor);
    return found;
  };
  return {
    get bytes() {
      return bytes;
    },
    addUnit(unit, specs, tensors) {
      if (units.has(unit)) return;
      const parts = specs.map((spec) => {
        const view = tensors.get(spec.name);
        if (view === undefined) throw missing(spec.name);
        const kind = packingOf(spec);
        return { name: spec.name, kind, view, halves: packedLength(kind, spec.shape) };
      });
      let size = 0;
      const offsets = parts.map(({ halves }) => {
        const offset = size;
        size = roundUp(offset + halves * 2, ALIGN);
        return offset;
      });
      const packed = new ArrayBuffer(size);
      parts.forEach(({ name, kind, view, halves }, i) => {
        const target = new Uint16Array(packed, offsets[i], halves);
        const source = halvesOf(name, view);
        if (kind === 'matrix') packMatrix(source, view.shape, target);
        else target.set(source);
      });
      const buffer = device.createBuffer({
        label: unit,
        size,
        usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
      });
      counters.buffers += 1;
      device.queue.writeBuffer(buffer, 0, packed);
      tensorOf.set(buffer, tf.adopt(buffer));
      units.add(unit);
      bytes += size;
      parts.forEach(({ name, halves }, i) => ranges.set(name, { buffer, offset: offsets[i] ?? 0, size: halves * 2 }));
    },
    range,
    resident(tensor) {
      const { buffer, offset } = range(tensor);
      const resident = tensorOf.get(buffer);
      if (resident === undefined) throw missing(tensor);
      return { tensor: resident, offset };
    },
    dispose() {
      for (const buffer of tensorOf.keys()) buffer.destroy();
      tensorOf.clear();
      ranges.clear();
    },
  };
}
