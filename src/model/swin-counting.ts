/**
 * Enumeration and counting of stitched Swin families, and the pairing of stages of unequal depth, which plain transformers of
 * unequal depth use too. The forward pass of Swin is not part of this project yet. Source: snnet.md sections 2.2 and 5.
 */
import { StitchError } from '../core/errors';
import { pairedWindows, type BlockPair } from './stitching';

/**
 * Block pairs of a front of `front` blocks and a deeper back of `back` blocks: back block j belongs to front block
 * ⌊j · front / back⌋, and only pairs with j > i stay.
 *
 * `official` gives the layers that the official code trained with. It reads the map of all back blocks by a pair's position in
 * the shorter list of kept pairs, so that the first pair of every later front block slips to the layer before: of 6 against 18,
 * (1,3), (2,6), (3,9), (4,12) and (5,15) use layers 0…4. Weights of the official checkpoint need these ids; a family of one's own is
 * better off with `nearest`, the layer of the front block.
 */
export function unevenPairs(front: number, back: number, layers: 'official' | 'nearest'): readonly BlockPair[] {
  if (front > back) {
    throw new StitchError(
      'argument-invalid',
      `The front has ${front} blocks, the back only ${back}. Pass the shallower one first.`,
    );
  }
  const map = Array.from({ length: back }, (_, j) => Math.floor((j * front) / back));
  const pairs = Array.from({ length: front }, (_, i) => i).flatMap((i) =>
    map.flatMap((nearest, j) => (nearest === i && j > i ? [{ front: i, back: j }] : [])),
  );
  return pairs.map((pair, position) => ({ ...pair, layer: layers === 'official' ? map[position]! : pair.front }));
}

/** Shape of a Swin transformer: per stage its depth, width and heads; 7 × 7 windows, patch 4, 224 pixels. */
export interface SwinShape {
  readonly depths: readonly number[];
  readonly dims: readonly number[];
  readonly heads: readonly number[];
}

/** A whole anchor, or front anchor up to block `front` of `stage`, stitch, back anchor from block `back` of the same stage on. */
export type SwinRoute =
  | { readonly anchor: number }
  | {
      readonly from: number;
      readonly to: number;
      readonly stage: number;
      readonly front: number;
      readonly back: number;
      readonly layer: number;
    };

/** Every route over anchors given smallest first, in official order: anchors, then stage by stage each neighbouring pair's. */
export function enumerateSwin(
  anchors: readonly SwinShape[],
  layers: 'official' | 'nearest' = 'official',
): readonly SwinRoute[] {
  const routes: SwinRoute[] = anchors.map((_, anchor) => ({ anchor }));
  // The last stage is never stitched.
  for (let stage = 0; stage < (anchors[0]?.depths.length ?? 0) - 1; stage += 1) {
    for (let to = 1; to < anchors.length; to += 1) {
      const [front, back] = [anchors[to - 1]!.depths[stage]!, anchors[to]!.depths[stage]!];
      const pairs =
        front === back
          ? pairedWindows(front, { kernel: 2, stride: 1 }).pairs.filter((pair) => pair.back > pair.front)
          : unevenPairs(front, back, layers);
      routes.push(...pairs.map((pair) => ({ from: to - 1, to, stage, ...pair })));
    }
  }
  return routes;
}

const CLASSES = 1000;
const WINDOW = 49;
const PATCH_VALUES = 48;
/** Tokens of a stage at 224 pixels: 56², 28², 14², 7². */
const tokensOf = (stage: number): number => (56 / 2 ** stage) ** 2;
const NORM_PER_ELEMENT = 5;
const MASKS_PER_HEAD = 169;

const blockMacs = (dim: number, tokens: number): number =>
  12 * tokens * dim * dim + 2 * WINDOW * tokens * dim + 2 * NORM_PER_ELEMENT * tokens * dim;
const blockParams = (dim: number, heads: number): number => 12 * dim * dim + 13 * dim + MASKS_PER_HEAD * heads;
/** Patch merging at the end of a stage, of width `dim`, to `tokens` tokens. */
const mergingMacs = (dim: number, tokens: number): number => tokens * 8 * dim * dim + 4 * NORM_PER_ELEMENT * tokens * dim;
const mergingParams = (dim: number): number => 8 * dim * dim + 8 * dim;

/** Blocks run in a stage, and whether its merging runs. */
interface Part {
  readonly shape: SwinShape;
  readonly stage: number;
  readonly blocks: number;
  readonly merging: boolean;
}

/** The stages of a route in order; the front's own merging of the stitched stage never runs. */
function partsOf(anchors: readonly SwinShape[], route: SwinRoute): Part[] {
  const first = anchors['anchor' in route ? route.anchor : route.from]!;
  const last = anchors['anchor' in route ? route.anchor : route.to]!;
  const end = first.depths.length - 1;
  const whole = (shape: SwinShape, stage: number): Part => ({
    shape,
    stage,
    blocks: shape.depths[stage]!,
    merging: stage < end,
  });
  if ('anchor' in route) return first.depths.map((_, stage) => whole(first, stage));
  const { stage, front, back } = route;
  return [
    ...first.depths.slice(0, stage).map((_, before) => whole(first, before)),
    { shape: first, stage, blocks: front + 1, merging: false },
    { shape: last, stage, blocks: last.depths[stage]! - back, merging: stage < end },
    ...last.depths.slice(stage + 1).map((_, after) => whole(last, stage + 1 + after)),
  ];
}

/** Multiply-accumulates as the official counter takes them. */
export function swinMacs(anchors: readonly SwinShape[], route: SwinRoute): number {
  const parts = partsOf(anchors, route);
  const embed = tokensOf(0) * (PATCH_VALUES + NORM_PER_ELEMENT) * parts[0]!.shape.dims[0]!;
  const width = parts.at(-1)!.shape.dims.at(-1)!;
  const tail = NORM_PER_ELEMENT * WINDOW * width + CLASSES * width;
  const stitch = 'anchor' in route ? 0 : stitchMacs(anchors, route);
  return parts.reduce(
    (sum, { shape, stage, blocks, merging }) => {
      const dim = shape.dims[stage]!;
      return sum + blocks * blockMacs(dim, tokensOf(stage)) + (merging ? mergingMacs(dim, tokensOf(stage + 1)) : 0);
    },
    embed + tail + stitch,
  );
}

function stitchMacs(anchors: readonly SwinShape[], { from, to, stage }: Exclude<SwinRoute, { anchor: number }>): number {
  return tokensOf(stage) * anchors[from]!.dims[stage]! * anchors[to]!.dims[stage]!;
}

/** Parameters as published: those of a stitched route leave out the merging layers of the front's completed stages. */
export function swinParams(anchors: readonly SwinShape[], route: SwinRoute): number {
  const parts = partsOf(anchors, route);
  const width = parts.at(-1)!.shape.dims.at(-1)!;
  const embed = (PATCH_VALUES + 1 + 2) * parts[0]!.shape.dims[0]!;
  const stitched = !('anchor' in route);
  const stitch = stitched ? anchors[route.to]!.dims[route.stage]! * (anchors[route.from]!.dims[route.stage]! + 1) : 0;
  return parts.reduce(
    (sum, { shape, stage, blocks, merging }) => {
      const dim = shape.dims[stage]!;
      const omitted = stitched && stage < route.stage;
      return sum + blocks * blockParams(dim, shape.heads[stage]!) + (merging && !omitted ? mergingParams(dim) : 0);
    },
    embed + 2 * width + CLASSES * (width + 1) + stitch,
  );
}
