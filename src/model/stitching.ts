/**
 * The stitching space of anchors of equal depth: paired windows, fast to slow, nearest neighbours only. Used by the tools
 * that write manifests; the runtime takes routes from the manifest and never recomputes them. Source: SN-Net
 * (arXiv 2302.06586) and the enumeration of its official DeiT code.
 */
import { StitchError } from '../core/errors';
import type { RoutePath } from '../core/types';

/** The front anchor runs blocks 0…front, the back anchor back…last; back ≤ front is legal and lengthens the network. */
export interface BlockPair {
  readonly front: number;
  readonly back: number;
  /** Which stitch of the anchor pair joins them. */
  readonly layer: number;
}

export interface PairedStitching {
  /** In official order. */
  readonly pairs: readonly BlockPair[];
  /** Stitches an anchor pair has; several pairs share one. */
  readonly layers: number;
}

export interface WindowOptions {
  /** Blocks a window spans. Official DeiT: 2. */
  readonly kernel: number;
  /** Blocks from one window to the next. Official DeiT: 1. */
  readonly stride: number;
}

/**
 * Windows of `kernel` blocks every `stride` blocks; a block pair belongs to the first window that covers it, and all new
 * pairs of a window share one stitch. A window without a new pair gets none. Errors: argument-invalid.
 */
export function pairedWindows(depth: number, { kernel, stride }: WindowOptions): PairedStitching {
  for (const [name, value] of Object.entries({ depth, kernel, stride })) {
    if (Number.isInteger(value) && value >= 1) continue;
    throw new StitchError('argument-invalid', `${name} is ${value}. Pass a whole number of at least 1.`, { name, value });
  }
  const pairs: BlockPair[] = [];
  const seen = new Set<string>();
  let layers = 0;
  for (let start = 0; start < depth; start += stride) {
    const end = Math.min(start + kernel, depth);
    const before = pairs.length;
    for (let front = start; front < end; front++) {
      for (let back = start; back < end; back++) {
        if (seen.has(`${front},${back}`)) continue;
        seen.add(`${front},${back}`);
        pairs.push({ front, back, layer: layers });
      }
    }
    if (pairs.length > before) layers++;
  }
  return { pairs, layers };
}

export interface EnumeratedStitch {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  /** Block pairs that share it, for fitting: rows of front block `front` against what back block `back` takes in. */
  readonly pairs: readonly BlockPair[];
}

export interface EnumeratedRoute {
  readonly id: string;
  readonly path: RoutePath;
}

export interface StitchingSpace {
  readonly stitches: readonly EnumeratedStitch[];
  /** All anchors, then the stitched routes of each neighbouring pair in official order. */
  readonly routes: readonly EnumeratedRoute[];
}

/**
 * Every route over `anchors`, given smallest first. Ids: anchor `w64`, stitch `w64-w128.3` (layer 3), route
 * `w64.3+w128.4` (front blocks 0…3, back blocks 4…last). Errors: argument-invalid, also for unequal depths.
 */
export function enumerateRoutes(
  anchors: readonly { readonly id: string; readonly depth: number }[],
  window: WindowOptions,
): StitchingSpace {
  const depth = anchors[0]?.depth ?? 0;
  const odd = anchors.find((anchor) => anchor.depth !== depth);
  if (odd !== undefined) {
    const problem = `Anchor "${odd.id}" has ${odd.depth} blocks, "${anchors[0]?.id}" has ${depth}`;
    throw new StitchError('argument-invalid', `${problem}. Paired stitching needs anchors of equal depth.`, { anchor: odd.id });
  }
  const { pairs, layers } = pairedWindows(depth, window);
  const stitches: EnumeratedStitch[] = [];
  const routes: EnumeratedRoute[] = anchors.map(({ id }) => ({ id, path: [{ anchor: id, from: 0, to: depth - 1 }] }));
  for (const [index, { id: to }] of anchors.entries()) {
    const from = anchors[index - 1]?.id;
    if (from === undefined) continue;
    const stitchId = (layer: number) => `${from}-${to}.${layer}`;
    for (let layer = 0; layer < layers; layer++) {
      stitches.push({ id: stitchId(layer), from, to, pairs: pairs.filter((pair) => pair.layer === layer) });
    }
    for (const { front, back, layer } of pairs) {
      const first = { anchor: from, from: 0, to: front };
      const last = { anchor: to, from: back, to: depth - 1 };
      routes.push({ id: `${from}.${front}+${to}.${back}`, path: [first, { stitch: stitchId(layer) }, last] });
    }
  }
  return { stitches, routes };
}
