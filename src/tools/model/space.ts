/** The stitching space of anchors in a manifest's words, for equal and for unequal depth. */
import type { AnchorSpec, RouteSpec } from '../../bundle/manifest';
import { enumerateRoutes, type BlockPair, type EnumeratedStitch, type WindowOptions } from '../../model/stitching';
import { unevenPairs } from '../../model/swin-counting';

export interface Space {
  readonly stitches: readonly EnumeratedStitch[];
  /** All anchors, then the stitched routes of each neighbouring pair. */
  readonly routes: readonly Pick<RouteSpec, 'id' | 'path'>[];
}

/**
 * Fast to slow, nearest neighbours only. Anchors of equal depth: paired windows, the official DeiT rule. Anchors of which some
 * neighbours differ in depth: per pair, windows where the depths agree, else the nearest front block of each back block
 * (snnet.md section 2.2), one stitch a front block; a back shallower than its front is entered after the blocks that are done.
 * Errors: argument-invalid.
 */
export function stitchingSpace(anchors: readonly AnchorSpec[], window: WindowOptions): Space {
  const depths = anchors.map(({ id, config }) => ({ id, depth: config.depth }));
  if (depths.every(({ depth }) => depth === depths[0]?.depth)) return enumerateRoutes(depths, window);
  const stitches: EnumeratedStitch[] = [];
  const routes = depths.map(({ id, depth }): Space['routes'][number] => ({
    id,
    path: [{ anchor: id, from: 0, to: depth - 1 }],
  }));
  for (const [index, { id: to, depth: back }] of depths.entries()) {
    const front = depths[index - 1];
    if (front === undefined) continue;
    const from = front.id;
    if (front.depth === back) {
      const even = enumerateRoutes([front, { id: to, depth: back }], window);
      stitches.push(...even.stitches);
      routes.push(...even.routes.slice(2));
      continue;
    }
    const pairs = front.depth < back ? unevenPairs(front.depth, back, 'nearest') : shrinkingPairs(front.depth, back);
    for (const layer of new Set(pairs.map((pair) => pair.layer))) {
      stitches.push({ id: `${from}-${to}.${layer}`, from, to, pairs: pairs.filter((pair) => pair.layer === layer) });
    }
    for (const { front: i, back: j, layer } of pairs) {
      const first = { anchor: from, from: 0, to: i };
      const last = { anchor: to, from: j, to: back - 1 };
      routes.push({ id: `${from}.${i}+${to}.${j}`, path: [first, { stitch: `${from}-${to}.${layer}` }, last] });
    }
  }
  return { stitches, routes };
}

/** A deep front before a shallow back: after the last of the front blocks that stand for back block g, on with g + 1. */
function shrinkingPairs(front: number, back: number): readonly BlockPair[] {
  return Array.from({ length: back - 1 }, (_, layer) => {
    const after = Math.ceil(((layer + 1) * front) / back) - 1;
    return { front: after, back: layer + 1, layer };
  });
}
