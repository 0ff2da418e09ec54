/**
 * Which units share a shard and in which order shards are downloaded: suffix-first (docs/bundle-format.md, Units and shards),
 * as training/bundle.py does it.
 */
import type { AnchorSpec, RouteSpec, StitchSpec } from '../../bundle/manifest';
import { unitsOfAnchor } from '../../model/units';

export interface PlannedShard {
  readonly file: string;
  readonly units: readonly string[];
}

interface Group {
  readonly from: number;
  readonly to: number;
}

/** Where a stitch enters its back anchor: the blocks of all its uses. */
function entryBlocks(routes: readonly Pick<RouteSpec, 'path'>[]): Map<string, number[]> {
  const entries = new Map<string, number[]>();
  for (const { path } of routes) {
    for (const [index, step] of path.entries()) {
      const next = path[index + 1];
      if (!('stitch' in step) || next === undefined || !('anchor' in next)) continue;
      entries.set(step.stitch, [...(entries.get(step.stitch) ?? []), next.from]);
    }
  }
  return entries;
}

/**
 * The whole smallest anchor (embed, blocks, head), then for each larger one its head, its block groups from the last to the
 * first, each followed by the stitches whose latest entry block lies in it (one shard a front anchor), and its embed last.
 * A stitch from a larger anchor back to a smaller one can run only once the larger one's first blocks are there, so it stands
 * right before the larger one's embed; so does a stitch that no route uses.
 */
export function planShards(
  family: {
    readonly anchors: readonly AnchorSpec[];
    readonly stitches: readonly StitchSpec[];
    readonly routes: readonly Pick<RouteSpec, 'path'>[];
  },
  groupSize: number,
): PlannedShard[] {
  const entries = entryBlocks(family.routes);
  const rank = new Map(family.anchors.map(({ id }, index) => [id, index]));
  const plan: PlannedShard[] = [];
  for (const [index, anchor] of family.anchors.entries()) {
    const { id } = anchor;
    const units = unitsOfAnchor(anchor);
    const blocks = units.slice(1, -1);
    const groups = groupsOf(anchor.config.depth, groupSize);
    const embed = { file: `${id}.embed.safetensors`, units: units.slice(0, 1) };
    const head = { file: `${id}.head.safetensors`, units: units.slice(-1) };
    const shardOf = ({ from, to }: Group) => ({
      file: `${id}.blocks.${from}-${to}.safetensors`,
      units: blocks.slice(from, to + 1),
    });
    if (index === 0) {
      plan.push(embed, ...groups.map(shardOf), head);
      continue;
    }
    plan.push(head);
    for (const group of [...groups].reverse()) {
      plan.push(shardOf(group));
      plan.push(
        ...stitchShards(family, (stitch) => {
          const uses = entries.get(stitch.id);
          if (stitch.to !== id || uses === undefined || rank.get(stitch.from)! > index) return false;
          const latest = Math.max(...uses);
          return latest >= group.from && latest <= group.to;
        }),
      );
    }
    const late = (stitch: StitchSpec) => {
      const larger = Math.max(rank.get(stitch.from)!, rank.get(stitch.to)!);
      return larger === index && (stitch.to !== id || !entries.has(stitch.id));
    };
    plan.push(...stitchShards(family, late), embed);
  }
  return plan;
}

function groupsOf(depth: number, size: number): Group[] {
  return Array.from({ length: Math.ceil(depth / size) }, (_, index) => ({
    from: index * size,
    to: Math.min(depth, (index + 1) * size) - 1,
  }));
}

/** One shard for every anchor pair among the chosen stitches, in the order of the anchors and of the ids' numbers. */
function stitchShards(
  { anchors, stitches }: { readonly anchors: readonly AnchorSpec[]; readonly stitches: readonly StitchSpec[] },
  chosen: (stitch: StitchSpec) => boolean,
): PlannedShard[] {
  return anchors.flatMap(({ id: from }) =>
    anchors.flatMap(({ id: to }) => {
      const own = stitches.filter((stitch) => stitch.from === from && stitch.to === to && chosen(stitch));
      own.sort((a, b) => numberOf(a.id) - numberOf(b.id));
      const [first, last] = [own[0], own.at(-1)];
      if (first === undefined || last === undefined) return [];
      const file = `stitches.${from}-${to}.${tailOf(first.id)}-${tailOf(last.id)}.safetensors`;
      return [{ file, units: own.map(({ id }) => `stitches.${id}`) }];
    }),
  );
}

const tailOf = (id: string): string => id.slice(id.lastIndexOf('.') + 1);

/** The number at the end of `w64-w128.3`; ids without one keep their order. */
function numberOf(id: string): number {
  const number = Number(tailOf(id));
  return Number.isInteger(number) ? number : 0;
}
