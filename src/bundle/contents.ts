/** The two files of a bundle that are not shards, checked against the manifest: labels and check vectors. */
import { FieldReader } from './fields';
import type { Manifest } from './manifest';
import { parseSafetensors, tensorToF32, type TensorView } from './safetensors';

/** Known answers (docs/bundle-format.md, Check vectors). R routes, B images, C classes, S pixels a side. */
export interface CheckVectors {
  /** RGB, 0…255, of the network's size: [B, S, S, 3] */
  readonly image: Uint8Array<ArrayBuffer>;
  /** What the original network answers: [R, B, C] */
  readonly logits: Float32Array<ArrayBuffer>;
  /** B */
  readonly batch: number;
  /** R ids, in the order of `logits`. */
  readonly routes: readonly string[];
  /** Largest absolute logit difference that passes. */
  readonly tolerance: number;
}

const MAX_BATCH = 256;
const MAX_LABEL = 500;

/** Errors: bundle-invalid. */
export function readLabels(bytes: Uint8Array, file: string, classes: number): readonly string[] {
  const read = new FieldReader('Labels', file);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return read.fail('the document', 'is not JSON', 'Put a JSON list of strings there, one a class.');
  }
  const list = read.list(json, 'the document', 0, Number.MAX_SAFE_INTEGER);
  if (list.length !== classes) {
    read.fail(
      'the document',
      `has ${list.length} labels for ${classes} classes`,
      'Put one string a class there, in class order.',
    );
  }
  return Array.from(list, (label, index) => read.string(label, `[${index}]`, MAX_LABEL));
}

/** Errors: bundle-invalid. */
export function readCheck(bytes: Uint8Array<ArrayBuffer>, { check, classes, input }: Manifest): CheckVectors {
  const read = new FieldReader('Check vectors', check.file);
  const tensors = parseSafetensors(bytes, check.file);
  const { size } = input;
  const batch = tensors.get('image')?.shape[0] ?? 0;
  const need = (name: string, dtype: TensorView['dtype'], shape: readonly number[], letters: string): TensorView => {
    const expected = `${dtype} [${shape.join(', ')}]`;
    const tensor = tensors.get(name);
    const found = tensor === undefined ? 'missing' : `${tensor.dtype} [${tensor.shape.join(', ')}]`;
    if (tensor !== undefined && found === expected) return tensor;
    return read.fail(name, `is ${found}`, `It must be ${dtype} ${letters}, here [${shape.join(', ')}].`);
  };
  if (batch > MAX_BATCH)
    read.fail('image', `has ${batch} images`, `This runtime reads at most ${MAX_BATCH}; a few are enough.`);
  const image = need('image', 'U8', [Math.max(batch, 1), size, size, 3], '[B, size, size, 3]');
  const logits = tensorToF32(need('logits', 'F32', [check.routes.length, batch, classes], '[routes, B, classes]'));
  const bad = logits.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) read.fail(`logits[${bad}]`, `is ${logits[bad]}`, 'Compute the check vectors again; logits are finite.');
  return { image: image.data.slice(), logits, batch, routes: check.routes, tolerance: check.tolerance };
}
