/** A small valid bundle in memory: three anchors of three blocks with seeded weights. Runs in Node and in a browser. */
import { sha256Hex } from '../../../src/bundle/hash';
import { FORMAT, type AnchorSpec, type FileRef, type Manifest, type ShardSpec } from '../../../src/bundle/manifest';
import { f32ToF16, writeSafetensors, type TensorInput } from '../../../src/bundle/safetensors';
import { routeMacs } from '../../../src/model/macs';
import { enumerateRoutes } from '../../../src/model/stitching';
import { tensorsOf, unitsOfAnchor } from '../../../src/model/units';

export interface MemoryBundle {
  readonly manifest: Manifest;
  /** By name relative to the folder, manifest.json included. */
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

const CLASSES = 5;
const SIZE = 8;
const DEPTH = 3;
const BATCH = 2;

/** A small deterministic generator, 0 ≤ x < 1 (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `name` and `seed` set bundles apart: another seed has other weights, hence other hashes. */
export async function makeBundle(seed = 1, name = 'memory'): Promise<MemoryBundle> {
  const random = seeded(seed);
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const add = async (file: string, bytes: Uint8Array<ArrayBuffer>): Promise<FileRef> => {
    files.set(file, bytes);
    return { file, bytes: bytes.length, sha256: await sha256Hex(bytes) };
  };
  const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

  const anchors: AnchorSpec[] = [8, 16, 24].map((dim) => ({
    id: `w${dim}`,
    name: `ViT width ${dim}`,
    config: { dim, depth: DEPTH, heads: 2, mlp: 4 * dim, patch: 4, eps: 1e-6 },
  }));
  const space = enumerateRoutes(
    anchors.map(({ id }) => ({ id, depth: DEPTH })),
    { kernel: 2, stride: 1 },
  );
  const shape = { input: { size: SIZE }, classes: CLASSES, anchors };
  const routes = space.routes.map(({ id, path }) => ({ id, path, finalNorm: true, macs: routeMacs(shape, path, true) }));
  const partial: Omit<Manifest, 'shards' | 'check' | 'labels'> = {
    format: FORMAT,
    name,
    version: '1.0.0',
    license: 'Apache-2.0',
    sources: ['seeded noise'],
    family: 'vit',
    input: { size: SIZE, crop: 0.875, filter: 'bilinear', mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
    classes: CLASSES,
    anchors,
    stitches: space.stitches.map(({ id, from, to }) => ({ id, from, to })),
    routes,
  };

  const labels = await add('labels.json', json(Array.from({ length: CLASSES }, (_, index) => `class ${index}`)));
  const shards: ShardSpec[] = [];
  const addShard = async (file: string, units: readonly string[]) => {
    const tensors = new Map<string, TensorInput>();
    for (const tensor of units.flatMap((unit) => tensorsOf({ ...partial }, unit))) {
      const values = Float32Array.from({ length: tensor.shape.reduce((a, b) => a * b, 1) }, () => random() - 0.5);
      tensors.set(tensor.name, { dtype: 'F16', shape: tensor.shape, data: f32ToF16(values) });
    }
    shards.push({ ...(await add(file, writeSafetensors(tensors))), units });
  };
  for (const anchor of anchors) {
    const [embed, ...rest] = unitsOfAnchor(anchor);
    await addShard(`${anchor.id}.embed.safetensors`, [embed!]);
    await addShard(`${anchor.id}.blocks.0-2.safetensors`, rest);
    const entering = space.stitches.filter(({ to }) => to === anchor.id).map(({ id }) => `stitches.${id}`);
    if (entering.length > 0) await addShard(`stitches.${anchor.id}.safetensors`, entering);
  }

  const checked = [routes[0]!.id, routes.at(-1)!.id];
  const image = Uint8Array.from({ length: BATCH * SIZE * SIZE * 3 }, () => random() * 256);
  const logits = Float32Array.from({ length: checked.length * BATCH * CLASSES }, () => random() * 4);
  const check = await add(
    'check.safetensors',
    writeSafetensors(
      new Map<string, TensorInput>([
        ['logits', { dtype: 'F32', shape: [checked.length, BATCH, CLASSES], data: logits }],
        ['image', { dtype: 'U8', shape: [BATCH, SIZE, SIZE, 3], data: image }],
      ]),
    ),
  );
  const manifest: Manifest = { ...partial, labels, shards, check: { ...check, routes: checked, tolerance: 0.005 } };
  files.set('manifest.json', json(manifest));
  return { manifest, files };
}
