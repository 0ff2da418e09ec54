/**
 * Weights on the GPU: one buffer per unit (block, embed, head, stitch), laid out by `layout.ts`. Every buffer is an int32 tensor
 * of the tfjs backend (`tf.ts`).
 */
import { StitchError } from '../core/errors';
import type { Pause } from '../engine/executor';
import { scaleName } from '../model/int8';
import type { StoredTensor } from '../model/stored';
import type { BufferRange, GpuCounters } from './kernel';
import type { WeightFormat } from './kernels/gemm/gemm';
import { packUnit } from './layout';
import { allocated } from './queue';
import type { TfDevice, WeightTensor } from './tf';

export interface WeightStore {
  /** Uploads a unit's tensors, slice by slice with a pause between; a unit that is there already stays as it is. Errors: out-of-memory, those of `pause`. */
  addUnit(unit: string, tensors: readonly StoredTensor[], pause?: Pause): Promise<void>;
  /** Errors: bundle-invalid when no loaded unit holds it. */
  range(tensor: string): BufferRange;
  /** How a matrix is packed, which is what its kernel must unpack. Errors: as `range`. */
  format(matrix: string): WeightFormat;
  /** The tfjs tensor of the unit that holds it, and its byte offset there. Errors: as `range`. */
  resident(tensor: string): { readonly tensor: WeightTensor; readonly offset: number };
  readonly bytes: number;
  dispose(): void;
}

/** Bytes that are written at once. */
const UPLOAD_BYTES = 2 ** 20;

const missing = (tensor: string): StitchError =>
  new StitchError('bundle-invalid', `Tensor ${tensor} is not loaded: it is in no shard read so far. Re-pack the bundle.`, {
    tensor,
  });

const noMemory = (unit: string, bytes: number): StitchError =>
  new StitchError(
    'out-of-memory',
    `The GPU has no memory for the weights of ${unit} (${bytes} bytes). Load a smaller bundle.`,
    {
      unit,
      bytes,
    },
  );

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
    async addUnit(unit, tensors, pause) {
      if (units.has(unit)) return;
      const packing = packUnit(tensors);
      let slice = packing.next();
      for (; slice.done !== true; slice = packing.next()) await pause?.();
      const { layout, packed } = slice.value;
      const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      const buffer = await allocated(device, () => device.createBuffer({ label: unit, size: layout.bytes, usage }));
      if (buffer === null) throw noMemory(unit, layout.bytes);
      counters.buffers += 1;
      try {
        for (let at = 0; at < packed.byteLength; at += UPLOAD_BYTES) {
          device.queue.writeBuffer(buffer, at, packed, at, Math.min(UPLOAD_BYTES, packed.byteLength - at));
          await pause?.();
        }
      } catch (error) {
        buffer.destroy();
        throw error;
      }
      tensorOf.set(buffer, tf.adopt(buffer));
      units.add(unit);
      bytes += layout.bytes;
      for (const { name, offset, bytes: size } of layout.ranges) ranges.set(name, { buffer, offset, size });
    },
    range,
    format(matrix) {
      range(matrix);
      return ranges.has(scaleName(matrix)) ? 'int8' : 'f16';
    },
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
