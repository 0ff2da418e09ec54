/** What a route needs and what a unit holds (docs/bundle-format.md, Units and shards). */
import type { AnchorSpec, Manifest, RouteSpec } from '../bundle/manifest';
import { StitchError } from '../core/errors';

const blockUnit = (anchor: string, block: number): string => `anchors.${anchor}.blocks.${block}`;

/** A tensor as the bundle must hold it. */
export interface TensorSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly matrix: boolean;
}

/** Whether a tensor is the weight of a linear layer, [out, in…]: those may be int8. Norms' weights are vectors. */
export const isMatrix = (name: string, shape: readonly number[]): boolean => name.endsWith('weight') && shape.length > 1;

/** The manifest's part that shapes depend on. */
export type Shapes = Pick<Manifest, 'input' | 'classes' | 'anchors' | 'stitches'>;

/** Every unit a route runs, each once, in running order: first embed, blocks and stitches, last head. */
export function unitsOf(route: Pick<RouteSpec, 'path'>): readonly string[] {
  const units = new Set<string>();
  for (const [index, step] of route.path.entries()) {
    if ('stitch' in step) {
      units.add(`stitches.${step.stitch}`);
      continue;
    }
    if (index === 0) units.add(`anchors.${step.anchor}.embed`);
    for (let block = step.from; block <= step.to; block++) units.add(blockUnit(step.anchor, block));
    if (index === route.path.length - 1) units.add(`anchors.${step.anchor}.head`);
  }
  return [...units];
}

/** Every unit an anchor has: embed, blocks from first to last, head. */
export function unitsOfAnchor({ id, config }: Pick<AnchorSpec, 'id' | 'config'>): readonly string[] {
  const blocks = Array.from({ length: config.depth }, (_, block) => blockUnit(id, block));
  return [`anchors.${id}.embed`, ...blocks, `anchors.${id}.head`];
}

/** Names and shapes of a unit's tensors, in the order of the format's table. Errors: bundle-invalid for an unknown unit. */
export function tensorsOf(manifest: Shapes, unit: string): readonly TensorSpec[] {
  const of = (shapes: Readonly<Record<string, readonly number[]>>): readonly TensorSpec[] =>
    Object.entries(shapes).map(([tail, shape]) => ({
      name: `${unit}.${tail}`,
      shape,
      matrix: isMatrix(tail, shape),
    }));
  if (unit.startsWith('stitches.')) {
    const stitch = manifest.stitches.find(({ id }) => `stitches.${id}` === unit) ?? unknown(unit);
    const front = anchorOf(manifest, stitch.from, unit).config.dim;
    const back = anchorOf(manifest, stitch.to, unit).config.dim;
    return of({ weight: [back, front], bias: [back] });
  }
  const [, id = '', part, block] = /^anchors\.([^.]+)\.(?:(embed|head)|blocks\.(0|[1-9]\d*))$/.exec(unit) ?? unknown(unit);
  const { dim, mlp, patch, depth } = anchorOf(manifest, id, unit).config;
  if (part === 'embed') {
    const tokens = 1 + (manifest.input.size / patch) ** 2;
    return of({ 'proj.weight': [dim, 3, patch, patch], 'proj.bias': [dim], cls: [dim], pos: [tokens, dim] });
  }
  if (part === 'head') {
    const { classes } = manifest;
    return of({ 'norm.weight': [dim], 'norm.bias': [dim], 'fc.weight': [classes, dim], 'fc.bias': [classes] });
  }
  if (Number(block) >= depth) unknown(unit);
  return of({
    'norm1.weight': [dim],
    'norm1.bias': [dim],
    'qkv.weight': [3 * dim, dim],
    'qkv.bias': [3 * dim],
    'proj.weight': [dim, dim],
    'proj.bias': [dim],
    'norm2.weight': [dim],
    'norm2.bias': [dim],
    'fc1.weight': [mlp, dim],
    'fc1.bias': [mlp],
    'fc2.weight': [dim, mlp],
    'fc2.bias': [dim],
  });
}

function anchorOf({ anchors }: Shapes, id: string, unit: string): AnchorSpec {
  return anchors.find((anchor) => anchor.id === id) ?? unknown(unit);
}

function unknown(unit: string): never {
  const remedy = 'Use embed, head and blocks.<n> of the anchors and the ids of the stitches in the manifest.';
  throw new StitchError('bundle-invalid', `Unit ${unit} is none of this bundle. ${remedy}`, { unit });
}
