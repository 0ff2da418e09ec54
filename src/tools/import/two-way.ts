/**
 * The stitching space of SN-Netv2: two anchors, the smaller first, stitched both ways, up to twice in a route. Ids in official
 * order: anchors, small→large, large→small, large→small→large, small→large→small. Source: SN-Netv2 (arXiv 2307.00154) and the
 * enumeration of its classification code; depths 12 and 12 or 12 and 24 give 135 ids.
 */
import type { RoutePath } from '../../core/types';
import { StitchError } from '../../core/errors';

/** The front anchor runs to block `front`, inclusive; the back anchor starts at block `back`. */
interface Crossing {
  readonly front: number;
  readonly back: number;
  readonly layer: number;
}

export interface TwoWaySpace {
  /** Stitch layers the official network makes, small→large and large→small. */
  readonly layers: readonly [number, number];
  readonly stitches: readonly {
    readonly id: string;
    readonly from: string;
    readonly to: string;
    readonly group: 0 | 1;
    readonly layer: number;
  }[];
  readonly routes: readonly { readonly id: string; readonly path: RoutePath }[];
  /** Official ids that would end without a block of the last anchor. They are never trained and have no route here. */
  readonly leftOut: readonly string[];
}

/** Every route. Stitches are those that a route uses. Errors: argument-invalid where the first anchor is the deeper one. */
export function twoWayRoutes(small: { id: string; depth: number }, large: { id: string; depth: number }): TwoWaySpace {
  if (large.depth < small.depth) {
    const problem = `Anchor "${small.id}" has ${small.depth} blocks and stands before "${large.id}" with ${large.depth}`;
    throw new StitchError('argument-invalid', `${problem}. Two-way stitching needs the shallower anchor first.`);
  }
  const ratio = Math.floor(large.depth / small.depth);
  const up: Crossing[] = Array.from({ length: small.depth }, (_, i) => ({ front: i, back: (i + 1) * ratio, layer: i }));
  const down: Crossing[] = [];
  for (let i = 0; i < large.depth - 1; i++) {
    // Of a deeper anchor only the odd blocks are left.
    if (large.depth !== small.depth && i % 2 === 0) continue;
    const back = Math.floor((i * small.depth) / large.depth) + 1;
    down.push({ front: i, back, layer: Math.floor(i / ratio) });
  }
  const anchors = [small, large] as const;
  const chains: { group: 0 | 1; crossing: Crossing }[][] = [
    ...up.map((crossing) => [{ group: 0 as const, crossing }]),
    ...down.map((crossing) => [{ group: 1 as const, crossing }]),
  ];
  for (const first of down) {
    for (const second of up) {
      if (second.layer === small.depth - 1 || second.front < first.back) continue;
      chains.push([
        { group: 1, crossing: first },
        { group: 0, crossing: second },
      ]);
    }
  }
  for (const first of up) {
    for (const second of down) {
      if (second.front >= first.back)
        chains.push([
          { group: 0, crossing: first },
          { group: 1, crossing: second },
        ]);
    }
  }

  const stitchId = (group: 0 | 1, layer: number) => `${anchors[group].id}-${anchors[1 - group]!.id}.${layer}`;
  const routes: { id: string; path: RoutePath }[] = anchors.map(({ id, depth }) => ({
    id,
    path: [{ anchor: id, from: 0, to: depth - 1 }],
  }));
  const leftOut: string[] = [];
  const used = new Set<string>();
  for (const chain of chains) {
    const path: RoutePath[number][] = [];
    const id: string[] = [];
    let from = 0;
    for (const { group, crossing } of chain) {
      const anchor = anchors[group].id;
      path.push({ anchor, from, to: crossing.front }, { stitch: stitchId(group, crossing.layer) });
      id.push(`${anchor}.${from === 0 ? '' : `${from}-`}${crossing.front}`);
      from = crossing.back;
    }
    const end = anchors[1 - chain.at(-1)!.group]!;
    path.push({ anchor: end.id, from, to: end.depth - 1 });
    id.push(`${end.id}.${from}`);
    if (from >= end.depth) {
      leftOut.push(id.join('+'));
      continue;
    }
    for (const { group, crossing } of chain) used.add(stitchId(group, crossing.layer));
    routes.push({ id: id.join('+'), path });
  }
  const layers = [up.length, down.length] as const;
  const stitches = ([0, 1] as const).flatMap((group) =>
    Array.from({ length: Math.max(...(group === 0 ? up : down).map(({ layer }) => layer + 1), 0) }, (_, layer) => ({
      id: stitchId(group, layer),
      from: anchors[group].id,
      to: anchors[1 - group]!.id,
      group,
      layer,
    })).filter(({ id }) => used.has(id)),
  );
  return { layers, stitches, routes, leftOut };
}
