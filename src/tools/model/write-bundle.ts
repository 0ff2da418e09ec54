/** A family to a bundle folder (docs/bundle-format.md): whole, validated and hashed, or not at all. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readCheck } from '../../bundle/contents';
import { sha256Hex } from '../../bundle/hash';
import { FORMAT, type FileRef, type Manifest, type ShardSpec } from '../../bundle/manifest';
import { ELEMENT_BYTES, writeSafetensors, type TensorInput } from '../../bundle/safetensors';
import { validateManifest } from '../../bundle/validate';
import { StitchError } from '../../core/errors';
import { routeMacs } from '../../model/macs';
import { scaleName } from '../../model/int8';
import { tensorsOf } from '../../model/units';
import { computeCheck } from './check-vectors';
import type { CheckDraft, FamilyDraft, FloatTensor } from './family';
import { toHalf } from './half';
import { manifestText } from './manifest-text';
import { withFront } from './pareto';
import { throwIfStopped, writeFolder } from './partial';
import { planShards, type PlannedShard } from './shard-plan';

export interface WriteOptions {
  /** Blocks a shard. Default 3. */
  readonly groupSize?: number;
  /** Replaces a bundle that stands there. Anything else is never replaced. */
  readonly force?: boolean;
  /** Texts that go beside the bundle, by file name, unless a file of that name stands there already. */
  readonly beside?: ReadonlyMap<string, string>;
  readonly signal?: AbortSignal;
  /** With `force`: the files that stood beside the old bundle, such as MODEL_CARD.md, and stand beside the new one. */
  readonly onKept?: (files: readonly string[]) => void;
  /** After each file: how many of all are written. */
  readonly onProgress?: (done: number, of: number) => void;
}

const DEFAULT_GROUP = 3;

/** The remark that new weights lie beside old files. */
export const keptRemark = (files: readonly string[]): string =>
  `Kept as it was: ${files.join(', ')}. The weights are new, so check what is said of them there.`;

/**
 * Writes the bundle and returns its manifest. Check vectors that the draft lacks are computed by the reference executor, and the
 * manifest then says `check.source: "reference"`.
 * Errors: bundle-invalid (a tensor that is missing, misshaped, not part of any unit, or does not fit f16; a description that breaks
 * the format), argument-invalid (the folder is taken, a bad group size), aborted. After any of them the folder is as before.
 */
export async function writeBundle(folder: string, draft: FamilyDraft, options: WriteOptions = {}): Promise<Manifest> {
  const { groupSize = DEFAULT_GROUP, force, beside, signal, onKept, onProgress } = options;
  if (!Number.isInteger(groupSize) || groupSize < 1) {
    throw new StitchError('argument-invalid', `The group size is ${groupSize}. Pass a whole number of blocks, at least 1.`);
  }
  const plan = planShards(draft, groupSize);
  requireTensors(draft, plan);
  const files = plan.length + 3;
  let manifest: Manifest | undefined;
  const kept = await writeFolder(folder, { force, signal }, async (target) => {
    let done = 0;
    for (const [file, text] of beside ?? []) {
      if (!existsSync(join(target, file))) await writeFile(join(target, file), text);
    }
    const put = async (file: string, data: Uint8Array<ArrayBuffer>): Promise<FileRef> => {
      throwIfStopped(signal);
      await writeFile(join(target, file), data);
      onProgress?.((done += 1), files);
      return { file, bytes: data.length, sha256: await sha256Hex(data) };
    };
    const shards: ShardSpec[] = [];
    for (const { file, units } of plan) shards.push({ ...(await put(file, shardBytes(draft, units))), units });
    const labels = await put(
      'labels.json',
      encode(`${JSON.stringify(draft.labels, undefined, 0).replaceAll('","', '",\n"')}\n`),
    );
    throwIfStopped(signal);
    const check = draft.check ?? (await computeCheck(draft));
    const bytes = checkBytes(draft, check);
    const { routes, tolerance, source } = check;
    const about = {
      ...(await put('check.safetensors', bytes)),
      routes,
      tolerance,
      ...(source === undefined ? {} : { source }),
    };
    const document: Manifest = { ...describe(draft), labels, shards, check: about };
    const text = manifestText(ordered(document));
    manifest = validateManifest(JSON.parse(text), join(folder, 'manifest.json'));
    readCheck(bytes, manifest);
    await put('manifest.json', encode(text));
  });
  if (kept.length > 0) onKept?.(kept);
  return manifest!;
}

const encode = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(new TextEncoder().encode(text));

function describe(draft: FamilyDraft): Omit<Manifest, 'labels' | 'shards' | 'check'> {
  const { name, version, license, sources, input, classes, anchors, stitches, quantization } = draft;
  if (draft.labels.length !== classes) {
    const problem = `There are ${draft.labels.length} labels for ${classes} classes`;
    throw new StitchError('bundle-invalid', `${problem}. Give one label a class, in class order.`);
  }
  const routes = withFront(
    draft.routes.map(({ id, path, finalNorm, ...measured }) => ({
      id,
      path,
      finalNorm,
      macs: routeMacs({ input, classes, anchors }, path, finalNorm),
      ...measured,
    })),
  );
  const about = { format: FORMAT, name, version, license, sources, family: 'vit', input, classes } as const;
  return { ...about, anchors, stitches, routes, ...(quantization && { quantization }) };
}

/** Fields in the order of the format's example. */
function ordered(manifest: Manifest): Manifest {
  const { anchors, stitches, routes, shards, check, ...head } = manifest;
  return { ...head, anchors, stitches, routes, shards, check };
}

/** Every tensor of the plan is there with its shape, and none is left over. */
function requireTensors(draft: FamilyDraft, plan: readonly PlannedShard[]): void {
  const known = new Set<string>();
  for (const unit of plan.flatMap(({ units }) => units)) {
    for (const { name, shape, matrix } of tensorsOf(draft, unit)) {
      known.add(name);
      const tensor = draft.tensors.get(name);
      const expected = shape.join(', ');
      const found = tensor?.shape.join(', ');
      const count = shape.reduce((product, size) => product * size, 1);
      if (found === expected && tensor?.data.length === count) {
        requireInt8(name, matrix, tensor);
        continue;
      }
      const what = found === undefined ? 'is missing' : `has shape [${found}] and ${tensor?.data.length} values`;
      throw new StitchError('bundle-invalid', `Tensor ${name} ${what}. It must have shape [${expected}].`, { tensor: name });
    }
  }
  for (const name of draft.tensors.keys()) {
    if (known.has(name)) continue;
    const remedy = 'Leave it out, or name the anchor, block or stitch that it belongs to.';
    throw new StitchError('bundle-invalid', `Tensor ${name} belongs to no unit of this family. ${remedy}`, { tensor: name });
  }
}

/** int8 is for matrices, with a scale a row. */
function requireInt8(name: string, matrix: boolean, { shape, data, int8 }: FloatTensor): void {
  if (int8 === undefined) return;
  if (matrix && int8.values.length === data.length && int8.scale.length === shape[0]) return;
  const problem = `Tensor ${name} has ${int8.values.length} int8 values and ${int8.scale.length} scales`;
  const remedy = matrix ? `It must have ${data.length} and ${shape[0]}.` : 'Only the matrices of linear layers may be int8.';
  throw new StitchError('bundle-invalid', `${problem}. ${remedy}`, { tensor: name });
}

function shardBytes(draft: FamilyDraft, units: readonly string[]): Uint8Array<ArrayBuffer> {
  const tensors = new Map<string, TensorInput>();
  for (const { name } of units.flatMap((unit) => tensorsOf(draft, unit))) {
    const tensor = draft.tensors.get(name)!;
    const { shape, int8 } = tensor;
    if (int8 === undefined) {
      tensors.set(name, { dtype: 'F16', shape, data: toHalf(name, tensor) });
      continue;
    }
    tensors.set(name, { dtype: 'I8', shape, data: int8.values });
    tensors.set(scaleName(name), { dtype: 'F32', shape: [int8.scale.length], data: int8.scale });
  }
  // The widest first, which keeps each aligned to its elements.
  const order = [...tensors].sort(([, a], [, b]) => ELEMENT_BYTES[b.dtype] - ELEMENT_BYTES[a.dtype]);
  return writeSafetensors(new Map(order));
}

function checkBytes({ input, classes }: FamilyDraft, { image, batch, routes, logits }: CheckDraft): Uint8Array<ArrayBuffer> {
  const { size } = input;
  return writeSafetensors(
    new Map<string, TensorInput>([
      // Logits first, so that they stay aligned to their four bytes.
      ['logits', { dtype: 'F32', shape: [routes.length, batch, classes], data: logits }],
      ['image', { dtype: 'U8', shape: [batch, size, size, 3], data: image }],
    ]),
  );
}
