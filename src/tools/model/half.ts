/** Weights to the f16 of a shard and back, refusing what does not fit. */
import { f16ToF32, f32ToF16 } from '../../bundle/safetensors';
import { StitchError } from '../../core/errors';
import type { FloatTensor } from './family';

const LARGEST_F16 = 65504;

/** f16 bits of a tensor. Errors: bundle-invalid, naming the tensor, where a value is not finite or beyond ±65504. */
export function toHalf(name: string, { data }: FloatTensor): Uint16Array<ArrayBuffer> {
  const half = f32ToF16(data);
  const bad = half.findIndex((bits) => (bits & 0x7c00) === 0x7c00);
  if (bad < 0) return half;
  const value = data[bad]!;
  const problem = `Tensor ${name} has the value ${value} at index ${bad}`;
  const remedy = Number.isFinite(value)
    ? `Bundles hold f16, at most ±${LARGEST_F16}. For a stitch, fit again with a ridge; else rescale the layer.`
    : 'Weights must be finite. Check the checkpoint it came from.';
  throw new StitchError('bundle-invalid', `${problem}. ${remedy}`, { tensor: name, value, index: bad });
}

/** What a reader of the bundle gets: values after rounding to f16, or those of the int8. Errors: as {@link toHalf}. */
export function rounded(name: string, tensor: FloatTensor): FloatTensor {
  if (tensor.int8 !== undefined) return tensor;
  return { shape: tensor.shape, data: f16ToF32(toHalf(name, tensor)) };
}
