/** What is loaded in which order, and how far. A tier is an anchor with the stitches that lead into it; smaller ones come first. */
import type { Manifest, ShardSpec } from '../bundle/manifest';
import { StitchError } from '../core/errors';
import { unitsOf } from '../model/units';
import type { LoadLimits, LoadTier } from './api';

export interface Tier {
  readonly anchor: string;
  /** In the manifest's order, which is suffix first: every block group that arrives unlocks routes. */
  readonly shards: readonly ShardSpec[];
}

/** Smallest anchor first. A shard belongs to the largest anchor that any of its units belongs to. */
export function tiersOf({ anchors, stitches, shards }: Pick<Manifest, 'anchors' | 'stitches' | 'shards'>): readonly Tier[] {
  const rank = new Map(anchors.map(({ id }, index) => [id, index]));
  const rankOf = new Map<string, number>();
  for (const { id, from, to } of stitches) rankOf.set(`stitches.${id}`, Math.max(rank.get(from) ?? 0, rank.get(to) ?? 0));
  const rankOfUnit = (unit: string) => rankOf.get(unit) ?? rank.get(unit.split('.')[1] ?? '') ?? 0;
  const rankOfShard = ({ units }: ShardSpec) => Math.max(0, ...units.map(rankOfUnit));
  return anchors.map(({ id }, index) => ({ anchor: id, shards: shards.filter((shard) => rankOfShard(shard) === index) }));
}

/**
 * How far to load by these limits. `memoryOf`: bytes of memory that a shard takes.
 * Errors: argument-invalid (an unknown `maxAnchor` or `meteredAnchor`).
 */
export function planTiers(
  tiers: readonly Tier[],
  limits: LoadLimits,
  memoryOf: (shard: ShardSpec) => number,
): readonly LoadTier[] {
  const { maxAnchor, meteredAnchor, memoryBytes = Infinity, saveData = false, crashedAt } = limits;
  const indexOf = (anchor: string) => tiers.findIndex((tier) => tier.anchor === anchor);
  const most = maxAnchor === undefined ? tiers.length - 1 : tiersUpTo(tiers, maxAnchor).length - 1;
  // Looked up on any link, so that a wrong one is seen on the developer's.
  const metered = meteredAnchor === undefined ? 0 : tiersUpTo(tiers, meteredAnchor).length - 1;
  const crashed = crashedAt === undefined || indexOf(crashedAt) < 0 ? tiers.length : indexOf(crashedAt);
  let memory = 0;
  return tiers.map(({ anchor, shards }, index): LoadTier => {
    const bytes = shards.reduce((sum, shard) => sum + shard.bytes, 0);
    memory += shards.reduce((sum, shard) => sum + memoryOf(shard), 0);
    const limit = limitOf(index);
    return { anchor, bytes, planned: limit === undefined, ...(limit === undefined ? {} : { limit }) };
  });

  function limitOf(index: number): LoadTier['limit'] {
    if (index === 0) return undefined;
    if (index > most) return 'asked';
    if (index >= crashed) return 'crash';
    if (memory > memoryBytes) return 'memory';
    return saveData && index > metered ? 'save-data' : undefined;
  }
}

/** The tiers up to this anchor. Errors: argument-invalid. */
export function tiersUpTo(tiers: readonly Tier[], anchor: string): readonly Tier[] {
  const index = tiers.findIndex((tier) => tier.anchor === anchor);
  if (index >= 0) return tiers.slice(0, index + 1);
  const known = tiers.map((tier) => tier.anchor).join(', ');
  throw new StitchError('argument-invalid', `There is no anchor "${anchor}" in this bundle. Use one of ${known}.`, { anchor });
}

/**
 * The shards without which there is no first answer: in download order up to the first route with known answers, and what
 * `route` needs. Errors: none; a manifest's check names at least one of its routes.
 */
export function firstShards(manifest: Manifest, tiers: readonly Tier[], route: string | undefined): readonly ShardSpec[] {
  const order = tiers.flatMap(({ shards }) => shards);
  const at = new Map(order.flatMap(({ units }, index) => units.map((unit) => [unit, index] as const)));
  const needs = (id: string): number[] => {
    const spec = manifest.routes.find((one) => one.id === id);
    return spec === undefined ? [] : unitsOf(spec).map((unit) => at.get(unit) ?? 0);
  };
  const last = Math.min(...manifest.check.routes.map((id) => Math.max(...needs(id))));
  const extra = new Set(route === undefined ? [] : needs(route));
  return order.filter((_, index) => index <= last || extra.has(index));
}
