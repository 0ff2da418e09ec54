/** The tensors of a unit as a shard holds them, checked: float, or for a matrix int8 with a scale a row. */
import type { Dtype, Tensors, TensorView } from '../bundle/safetensors';
import { StitchError } from '../core/errors';
import { LARGEST_INT8, scaleName, type QuantizedRows } from './int8';
import { tensorsOf, type Shapes, type TensorSpec } from './units';

export interface StoredTensor extends TensorSpec {
  readonly view: TensorView;
  /** A matrix that is stored in int8: `view`'s bytes, and their scales. */
  readonly int8?: QuantizedRows;
}

const REMEDY = 'The shard does not belong to this manifest; pack the bundle again.';

/**
 * A unit's tensors, after finding every one in `tensors` with its shape and a dtype that it may have: `floats` (in a bundle F16,
 * and only that), or I8 for a matrix that has a scale.
 * Errors: bundle-invalid with the tensor's full name, what was expected and what was found.
 */
export function requiredTensors(
  manifest: Shapes,
  unit: string,
  tensors: Tensors,
  floats: readonly Dtype[] = ['F16'],
): readonly StoredTensor[] {
  return tensorsOf(manifest, unit).map((spec) => {
    const { name, shape, matrix } = spec;
    const dtypes = matrix ? [...floats, 'I8' as const] : floats;
    const view = required(unit, name, dtypes, shape, tensors);
    if (view.dtype === 'I8') return { ...spec, view, int8: quantized(unit, name, view, tensors) };
    if (tensors.has(scaleName(name))) {
      fail(unit, name, `has a scale but is ${view.dtype}`, 'Only I8 tensors have one; pack the bundle again.');
    }
    return { ...spec, view };
  });
}

function required(
  unit: string,
  name: string,
  dtypes: readonly Dtype[],
  shape: readonly number[],
  tensors: Tensors,
): TensorView {
  const view = tensors.get(name);
  const size = `[${shape.join(', ')}]`;
  const expected = `${dtypes.join(' or ')} ${size}`;
  const found = view === undefined ? 'nothing' : `${view.dtype} [${view.shape.join(', ')}]`;
  if (view !== undefined && dtypes.some((dtype) => found === `${dtype} ${size}`)) return view;
  const problem = `Tensor ${name}: expected ${expected}, found ${found}`;
  throw new StitchError('bundle-invalid', `${problem}. ${REMEDY}`, { unit, tensor: name, expected, found });
}

function quantized(unit: string, name: string, { data, shape }: TensorView, tensors: Tensors): QuantizedRows {
  const factors = required(unit, scaleName(name), ['F32'], shape.slice(0, 1), tensors);
  const scale = new Float32Array(shape[0]!);
  new Uint8Array(scale.buffer).set(factors.data); // a copy: the file promises no alignment
  const bad = scale.findIndex((value) => !(value >= 0 && value < Infinity));
  if (bad >= 0) {
    fail(unit, scaleName(name), `is ${scale[bad]} at index ${bad}`, 'Scales are finite and not negative; pack again.');
  }
  const lowest = data.indexOf(0x80);
  if (lowest >= 0) {
    const range = `−${LARGEST_INT8}…${LARGEST_INT8}`;
    fail(unit, name, `is −128 at index ${lowest}`, `int8 weights are ${range}; pack the bundle again.`);
  }
  return { values: new Int8Array(data.buffer, data.byteOffset, data.byteLength), scale };
}

function fail(unit: string, tensor: string, problem: string, remedy: string): never {
  throw new StitchError('bundle-invalid', `Tensor ${tensor} ${problem}. ${remedy}`, { unit, tensor });
}
