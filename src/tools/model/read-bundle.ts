/** A bundle folder to a family in memory, every file checked against the manifest. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readCheck, readLabels } from '../../bundle/contents';
import { sha256Hex } from '../../bundle/hash';
import type { FileRef, Manifest } from '../../bundle/manifest';
import { parseSafetensors, tensorToF32 } from '../../bundle/safetensors';
import { validateManifest } from '../../bundle/validate';
import { StitchError } from '../../core/errors';
import { dequantizeRows } from '../../model/int8';
import { requiredTensors } from '../../model/stored';
import type { CheckDraft, FamilyDraft, FloatTensor } from './family';
import type { ManifestDocument } from './manifest-text';
import { throwIfStopped } from './partial';

/** The manifest of a folder, validated, and the document it came from with all its fields. Errors: bundle-invalid. */
export async function readManifest(folder: string): Promise<{ manifest: Manifest; document: ManifestDocument }> {
  const path = join(folder, 'manifest.json');
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    const remedy = 'Name the folder of a bundle, the one that holds manifest.json.';
    throw new StitchError('bundle-invalid', `${path} cannot be read. ${remedy}`, { path }, cause);
  });
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new StitchError('bundle-invalid', `${path} is not JSON. Write the bundle again.`, { path }, cause);
  }
  return { manifest: validateManifest(document, path), document: document as ManifestDocument };
}

/** The bytes of one file. Errors: bundle-integrity where it is missing or not the file that the manifest names. */
export async function readVerified(folder: string, { file, bytes, sha256 }: FileRef): Promise<Uint8Array<ArrayBuffer>> {
  const path = join(folder, file);
  const fail = (problem: string, cause?: unknown): never => {
    const remedy = 'The folder is damaged or mixed from two versions; get or write the bundle again.';
    throw new StitchError('bundle-integrity', `${path}: ${problem}. ${remedy}`, { path }, cause);
  };
  const data = await readFile(path).catch((cause: unknown) => fail('it cannot be read', cause));
  if (data.length !== bytes) fail(`it has ${data.length} bytes, the manifest says ${bytes}`);
  const copy = new Uint8Array(data); // on a buffer of its own, so that tensors are aligned
  const found = await sha256Hex(copy);
  if (found !== sha256) fail(`its SHA-256 is ${found}, the manifest says ${sha256}`);
  return copy;
}

export interface ReadFamily {
  readonly manifest: Manifest;
  readonly document: ManifestDocument;
  readonly draft: FamilyDraft;
  /** Blocks a shard, as it was written. */
  readonly groupSize: number;
}

export interface ReadOptions {
  readonly signal?: AbortSignal;
  /** After each shard: the share of 1 that is read. */
  readonly onProgress?: (share: number) => void;
}

/**
 * Reads a bundle. Weights come as f32, exactly what the shards hold.
 * Errors: bundle-invalid, bundle-integrity; both name the file. aborted.
 */
export async function readBundle(folder: string, { signal, onProgress }: ReadOptions = {}): Promise<ReadFamily> {
  const { manifest, document } = await readManifest(folder);
  const { name, version, license, sources, input, classes, anchors, stitches } = manifest;
  const labels = readLabels(await readVerified(folder, manifest.labels), manifest.labels.file, classes);
  const tensors = new Map<string, FloatTensor>();
  for (const [index, shard] of manifest.shards.entries()) {
    throwIfStopped(signal);
    const found = parseSafetensors(await readVerified(folder, shard), shard.file);
    for (const unit of shard.units) {
      for (const { name: tensor, shape, view, int8 } of requiredTensors(manifest, unit, found)) {
        const data = int8 === undefined ? tensorToF32(view) : dequantizeRows(int8);
        tensors.set(tensor, { shape, data, ...(int8 === undefined ? {} : { int8 }) });
      }
    }
    onProgress?.((index + 1) / manifest.shards.length);
  }
  const vectors = readCheck(await readVerified(folder, manifest.check), manifest);
  const source = (document.check as { readonly source?: unknown }).source;
  const check: CheckDraft = { ...vectors, ...(typeof source === 'string' ? { source } : {}) };
  const routes = manifest.routes.map(({ macs: _counted, ...route }) => route);
  const draft: FamilyDraft = {
    name,
    version,
    license,
    sources: [...sources],
    input,
    classes,
    labels: [...labels],
    anchors: [...anchors],
    stitches: [...stitches],
    routes,
    tensors,
    check,
    ...(manifest.quantization && { quantization: manifest.quantization }),
  };
  return { manifest, document, draft, groupSize: groupSizeOf(manifest) };
}

/** The most blocks that any shard holds. */
function groupSizeOf({ shards }: Manifest): number {
  const counts = shards.map(({ units }) => units.filter((unit) => /^anchors\..*\.blocks\./.test(unit)).length);
  return Math.max(1, ...counts);
}

/**
 * How many weights the shards hold in each form; scales are not weights. Only the shards' headers are believed, no hash is
 * checked. Undefined where a shard is not there, as with a manifest alone.
 */
export async function weightForms(folder: string, { shards }: Manifest): Promise<{ f16: number; int8: number } | undefined> {
  const counts = { f16: 0, int8: 0 };
  for (const { file } of shards) {
    const bytes = await readFile(join(folder, file)).catch(() => undefined);
    if (bytes === undefined) return undefined;
    for (const { dtype, data } of parseSafetensors(new Uint8Array(bytes), file).values()) {
      if (dtype === 'I8') counts.int8 += data.length;
      if (dtype === 'F16') counts.f16 += data.length / 2;
    }
  }
  return counts;
}
