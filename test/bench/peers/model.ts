/** A network as the writers of the peers' files and PyTorch read it: plain names, f32 rows, one flat file. */
import type { VitConfig } from '../../../src/bundle/manifest';
import type { FamilyDraft, FloatTensor } from '../../../src/tools/model/family';

export interface TensorEntry {
  /** Without the anchor: `blocks.0.qkv.weight`. */
  readonly name: string;
  readonly shape: readonly number[];
  /** In elements of weights.bin. */
  readonly offset: number;
  readonly count: number;
}

/** model.json. */
export interface ModelDescription {
  readonly config: VitConfig;
  /** Pixels a side. */
  readonly size: number;
  readonly classes: number;
  readonly tensors: readonly TensorEntry[];
}

/** A description with its weights at hand. */
export interface Model extends ModelDescription {
  /** Errors: a name that is not there. */
  get(name: string): FloatTensor;
}

/** The only anchor of a family. */
export function modelOf(draft: FamilyDraft): Model {
  const [anchor] = draft.anchors;
  if (anchor === undefined || draft.anchors.length !== 1) throw new Error('The peers run one anchor.');
  const prefix = `anchors.${anchor.id}.`;
  const tensors = new Map([...draft.tensors].map(([name, tensor]) => [name.slice(prefix.length), tensor]));
  let offset = 0;
  const entries = [...tensors].map(([name, { shape, data }]): TensorEntry => {
    const entry = { name, shape, offset, count: data.length };
    offset += data.length;
    return entry;
  });
  return {
    config: anchor.config,
    size: draft.input.size,
    classes: draft.classes,
    tensors: entries,
    get(name) {
      const found = tensors.get(name);
      if (found === undefined) throw new Error(`The network has no tensor ${name}.`);
      return found;
    },
  };
}

/** All weights in the order of `tensors`. */
export function flatWeights(model: Model): Float32Array {
  const last = model.tensors.at(-1);
  const flat = new Float32Array(last === undefined ? 0 : last.offset + last.count);
  for (const { name, offset } of model.tensors) flat.set(model.get(name).data, offset);
  return flat;
}

/** [rows, columns] -> [columns, rows] */
export function transposed({ shape: [rows = 0, columns = 0], data }: FloatTensor): FloatTensor {
  const out = new Float32Array(data.length);
  for (let r = 0; r < rows; r += 1) for (let c = 0; c < columns; c += 1) out[c * rows + r] = data[r * columns + c]!;
  return { shape: [columns, rows], data: out };
}
