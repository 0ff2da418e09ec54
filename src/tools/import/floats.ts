/** Element types of checkpoints, and their way to f32. */
import { type Dtype, ELEMENT_BYTES, tensorToF32 } from '../../bundle/safetensors';

/** The names of safetensors, for PyTorch files too. */
export type ItemType = Dtype;

const FLOATS: readonly ItemType[] = ['F64', 'F32', 'F16', 'BF16'];

export const isFloat = (type: ItemType): boolean => FLOATS.includes(type);

/** Row-major little-endian bytes of a float type as f32, [n]. `bytes` starts its own buffer. Errors: argument-invalid. */
export function floats(type: ItemType, bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  // A double beyond f32 becomes infinite and is refused with the others.
  if (type === 'F64') return new Float32Array(new Float64Array(bytes.buffer));
  if (type === 'F32') return new Float32Array(bytes.buffer);
  return tensorToF32({ dtype: type, shape: [bytes.length / ELEMENT_BYTES[type]], data: bytes });
}
