/** The stitches and routes of an official SN-Net checkpoint, in our names. */
import type { RouteSpec, StitchSpec } from '../../bundle/manifest';
import { enumerateRoutes, pairedWindows, type WindowOptions } from '../../model/stitching';
import type { FloatTensor } from '../model/family';
import { type AnchorDraft, read } from './anchor';
import { invalid } from './file';
import { isTwoWay, type SnnetPlan, type StitchKeys } from './names-snnet';
import type { Checkpoint } from './source';
import { twoWayRoutes } from './two-way';

export interface StitchedPart {
  readonly stitches: StitchSpec[];
  readonly routes: Omit<RouteSpec, 'macs'>[];
  readonly tensors: ReadonlyMap<string, FloatTensor>;
  /** Ids of official routes that are left out. */
  readonly leftOut: readonly string[];
}

export interface StitchedOptions {
  /** Of SN-Net; the checkpoint does not say. Default: the official 2 and 1. */
  readonly window: WindowOptions;
  /** Whether the final norm runs on stitched routes. Default: as the official code of that version does. */
  readonly finalNorm: boolean | undefined;
}

/** Errors: bundle-invalid where stitches and anchors do not belong together. */
export function readStitches(
  source: Checkpoint,
  plan: SnnetPlan,
  anchors: readonly AnchorDraft[],
  options: StitchedOptions,
): StitchedPart {
  const specs = anchors.map(({ spec }) => spec);
  const space = isTwoWay(plan) ? twoWaySpace(source, plan, specs) : pairedSpace(source, plan, specs, options.window);
  const tensors = new Map<string, FloatTensor>();
  for (const { id, from, to, keys } of space.stitches) {
    const [front, back] = [from, to].map((anchor) => specs.find((spec) => spec.id === anchor)!.config.dim) as [number, number];
    tensors.set(`stitches.${id}.weight`, { shape: [back, front], data: stitchWeight(source, keys, back, front) });
    tensors.set(`stitches.${id}.bias`, { shape: [back], data: read(source, keys.bias, [back]) });
  }
  // The official DeiT code calls timm's head routine, which has no norm in it; SN-Netv2 calls the norm itself.
  const stitchedNorm = options.finalNorm ?? isTwoWay(plan);
  return {
    stitches: space.stitches.map(({ id, from, to }) => ({ id, from, to })),
    routes: space.routes.map(({ id, path }) => ({ id, path, finalNorm: path.length === 1 || stitchedNorm })),
    tensors,
    leftOut: space.leftOut,
  };
}

interface Space {
  readonly stitches: readonly (StitchSpec & { readonly keys: StitchKeys })[];
  readonly routes: readonly Pick<RouteSpec, 'id' | 'path'>[];
  readonly leftOut: readonly string[];
}

type Specs = readonly AnchorDraft['spec'][];

function pairedSpace(source: Checkpoint, { groups }: SnnetPlan, anchors: Specs, window: WindowOptions): Space {
  const depths = anchors.map(({ config }) => config.depth);
  if (new Set(depths).size > 1) {
    return invalid(
      source.path,
      undefined,
      `its anchors have ${depths.join(', ')} blocks`,
      'SN-Net for DeiT stitches anchors of equal depth.',
    );
  }
  if (groups.length !== anchors.length - 1) {
    const problem = `it has ${groups.length} groups of stitch layers for ${anchors.length} anchors`;
    return invalid(
      source.path,
      'stitch_layers',
      problem,
      'Neighbours only ("nearest_stitching") are imported: one group fewer than anchors.',
    );
  }
  const { layers } = pairedWindows(depths[0]!, window);
  for (const [group, { length }] of groups.entries()) {
    if (length === layers) continue;
    const problem = `it has ${length} layers, and ${depths[0]} blocks with kernel ${window.kernel} and stride ${window.stride} make ${layers}`;
    invalid(source.path, `stitch_layers.${group}`, problem, 'Give the kernel and stride it was trained with.');
  }
  const { stitches, routes } = enumerateRoutes(
    anchors.map(({ id, config }) => ({ id, depth: config.depth })),
    window,
  );
  // Listed pair by pair, layer by layer, as the groups are.
  const keys = groups.flat();
  return { stitches: stitches.map(({ id, from, to }, n) => ({ id, from, to, keys: keys[n]! })), routes, leftOut: [] };
}

function twoWaySpace(source: Checkpoint, { groups }: SnnetPlan, anchors: Specs): Space {
  const [small, large] = anchors.map(({ id, config }) => ({ id, depth: config.depth })) as [Ends, Ends];
  const { layers, stitches, routes, leftOut } = twoWayRoutes(small, large);
  for (const [group, expected] of layers.entries()) {
    const found = groups[group]?.length ?? 0;
    if (found === expected) continue;
    const problem = `it has ${found} layers, and anchors of ${small.depth} and ${large.depth} blocks have ${expected}`;
    invalid(source.path, `stitch_layers.${group}`, problem, 'The checkpoint is incomplete or of another program.');
  }
  const withKeys = stitches.map(({ id, from, to, group, layer }) => {
    const keys =
      groups[group]?.[layer] ??
      invalid(source.path, `stitch_layers.${group}.${layer}`, 'it is missing', 'Anchors of these depths cannot be imported.');
    return { id, from, to, keys };
  });
  return { stitches: withKeys, routes, leftOut };
}

type Ends = Parameters<typeof twoWayRoutes>[0];

/** W, or W + (1 / r) · B · A: [back, front]; A is [r, front], B is [back, r]. Summed in f64. */
function stitchWeight(source: Checkpoint, { weight, lowRank }: StitchKeys, back: number, front: number): Float32Array {
  const out = read(source, weight, [back, front]);
  if (lowRank === undefined) return out;
  const rank = source.tensors.get(lowRank.a)?.shape[0] ?? 0;
  const a = read(source, lowRank.a, [rank, front]);
  const b = read(source, lowRank.b, [back, rank]);
  const row = new Float64Array(front);
  for (let o = 0; o < back; o++) {
    row.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = b[o * rank + r]!;
      for (let i = 0; i < front; i++) row[i]! += factor * a[r * front + i]!;
    }
    for (let i = 0; i < front; i++) out[o * front + i]! += row[i]! / rank;
  }
  return out;
}
