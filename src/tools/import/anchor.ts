/** One anchor out of a checkpoint: its shape deduced, its tensors in our names, LayerScale folded in. */
import type { AnchorSpec, VitConfig } from '../../bundle/manifest';
import { tensorsOf, unitsOfAnchor } from '../../model/units';
import type { FloatTensor } from '../model/family';
import type { VitPlan } from './names-vit';
import { invalid } from './file';
import type { Checkpoint } from './source';

/** Heads of the published widths; head dim 64, but 80 in ViT-H. Any other width could have several. */
const HEADS: Readonly<Record<number, number>> = { 192: 3, 384: 6, 512: 8, 768: 12, 1024: 16, 1280: 16 };
export const DEFAULT_EPS = 1e-6;

export interface AnchorOptions {
  /** `[A-Za-z0-9_-]`, part of every tensor's name. */
  readonly id: string;
  readonly name?: string | undefined;
  /** Attention heads. Only DeiT's widths can be guessed. */
  readonly heads?: number | undefined;
  /** Of the LayerNorms. Default 1e-6, which ViT and DeiT were trained with. */
  readonly eps?: number | undefined;
}

/** An anchor outside a family. */
export interface AnchorDraft {
  readonly spec: AnchorSpec;
  readonly classes: number;
  /** Pixels a side of the network's input. */
  readonly size: number;
  /** By the names of docs/bundle-format.md, `anchors.<id>.…` */
  readonly tensors: ReadonlyMap<string, FloatTensor>;
}

/** Reads an anchor whose keys are all there. Errors: bundle-invalid naming file and key; argument-invalid for heads. */
export function readAnchor(source: Checkpoint, plan: VitPlan, options: AnchorOptions): AnchorDraft {
  const { config, size, classes, positions } = deduce(source, plan, options);
  const spec = { id: options.id, name: options.name ?? `ViT width ${config.dim}`, config };
  const shapes = { input: inputOf(size), classes, anchors: [spec], stitches: [] };
  const tensors = new Map<string, FloatTensor>();
  for (const unit of unitsOfAnchor(spec)) {
    for (const { name, shape } of tensorsOf(shapes, unit)) {
      const tail = name.slice(`anchors.${spec.id}.`.length);
      const keys = plan.parts.get(tail)!;
      // A position embedding without a row for the class token gets a zero row: that token is added unplaced.
      const bare = tail === 'embed.pos' && positions < shape[0]!;
      const found = stacked(source, keys, bare ? [shape[0]! - 1, shape[1]!] : shape);
      const data = bare ? withZeroRow(found, shape[1]!) : found;
      const scale = plan.scales.get(tail.replace(/\.(weight|bias)$/, ''));
      if (scale !== undefined) scaleRows(data, read(source, scale, [config.dim]));
      tensors.set(name, { shape, data });
    }
  }
  return { spec, classes, size, tensors };
}

/** The part of an input that shapes depend on, as units.ts wants it. */
const inputOf = (size: number) => ({
  size,
  crop: 1,
  filter: 'bilinear' as const,
  mean: [0, 0, 0] as const,
  std: [1, 1, 1] as const,
});

function deduce(source: Checkpoint, plan: VitPlan, { id, heads, eps = DEFAULT_EPS }: AnchorOptions) {
  const at = (tail: string) => {
    const key = plan.parts.get(tail)![0]!;
    return { key, shape: source.tensors.get(key)!.shape };
  };
  const fail = (key: string, problem: string, remedy = 'Only square, plain vision transformers on RGB are imported.'): never =>
    invalid(source.path, key, problem, remedy);
  const proj = at('embed.proj.weight');
  const [dim = 0, channels, patch = 0, width] = proj.shape;
  if (proj.shape.length !== 4 || channels !== 3 || patch !== width || dim < 1 || patch < 1) {
    return fail(proj.key, `its shape is [${proj.shape.join(', ')}], expected [dim, 3, patch, patch]`);
  }
  const pos = at('embed.pos');
  const positions = pos.shape.at(-2) ?? 0;
  const grid = [positions - 1, positions].map(Math.sqrt).find((side) => side >= 1 && Number.isInteger(side));
  if (grid === undefined) return fail(pos.key, `it has ${positions} rows, which is no square grid with or without class token`);
  const [classes = 0] = at('head.fc.weight').shape;
  const [mlp = 0] = at('blocks.0.fc1.weight').shape;
  const found = heads ?? HEADS[dim];
  if (found === undefined) {
    return fail(
      proj.key,
      `the number of heads of anchor "${id}" cannot be told from width ${dim}`,
      'Give it, e.g. with --heads.',
    );
  }
  if (!Number.isInteger(found) || found < 1 || dim % (found * 4) !== 0) {
    return fail(
      proj.key,
      `width ${dim} in ${found} heads gives a head of ${dim / found}`,
      'A head takes a multiple of 4 channels.',
    );
  }
  if (mlp % 4 !== 0 || mlp < 1 || classes < 1)
    return fail(proj.key, `its MLP has ${mlp} channels and its head ${classes} classes`);
  const config: VitConfig = { dim, depth: plan.depth, heads: found, mlp, patch, eps };
  return { config, size: grid * patch, classes, positions };
}

/** Tensors of equal shape below each other: [rows / n, …] each -> [rows, …]. */
function stacked(source: Checkpoint, keys: readonly string[], shape: readonly number[]): Float32Array {
  const [only] = keys;
  if (keys.length === 1 && only !== undefined) return read(source, only, shape);
  const out = new Float32Array(shape.reduce((product, size) => product * size, 1));
  const part = [shape[0]! / keys.length, ...shape.slice(1)];
  for (const [n, key] of keys.entries()) out.set(read(source, key, part), (n * out.length) / keys.length);
  return out;
}

/** A tensor of this shape, axes of length 1 in front aside. Errors: bundle-invalid naming the key. */
export function read(source: Checkpoint, key: string, shape: readonly number[]): Float32Array {
  const tensor = source.tensors.get(key) ?? invalid(source.path, key, 'it is missing', 'Take a complete checkpoint.');
  const extra = tensor.shape.length - shape.length;
  const fits = extra >= 0 && tensor.shape.every((size, axis) => size === (axis < extra ? 1 : shape[axis - extra]));
  if (fits) return tensor.read();
  const found = `[${tensor.shape.join(', ')}]`;
  return invalid(
    source.path,
    key,
    `its shape is ${found}, expected [${shape.join(', ')}]`,
    'The keys of this file do not belong together.',
  );
}

/** [n, dim] -> [1 + n, dim] */
function withZeroRow(rows: Float32Array, dim: number): Float32Array {
  const out = new Float32Array(rows.length + dim);
  out.set(rows, dim);
  return out;
}

/** LayerScale multiplies a layer's output channel by channel: rows of its weight [rows, n], or its bias [rows]. */
function scaleRows(data: Float32Array, gamma: Float32Array): void {
  const columns = data.length / gamma.length;
  for (let i = 0; i < data.length; i++) data[i]! *= gamma[Math.floor(i / columns)]!;
}
