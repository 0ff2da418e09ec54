/**
 * Key names of official SN-Net checkpoints: whole anchors in timm's names under `anchors.{a}.`, stitches under
 * `stitch_layers.{group}.{layer}.transform.`. SN-Net (DeiT): group g joins anchors g and g + 1. SN-Netv2: two anchors, group 0
 * leads from the small to the large one, group 1 back; a layer may carry a low-rank update `lora_A`, `lora_B`.
 * Source: the layout of the state dicts of ziplab/SN-Net and ziplab/SN-Netv2.
 */
import { countFrom, planVit, timmStyle, type VitPlan } from './names-vit';

/** Keys of one stitch; the effective weight is weight + (1 / rank) · lowRank.b · lowRank.a. */
export interface StitchKeys {
  readonly weight: string;
  readonly bias: string;
  /** a is [rank, front dim], b is [back dim, rank]. */
  readonly lowRank?: { readonly a: string; readonly b: string };
}

export interface SnnetPlan {
  readonly anchors: readonly VitPlan[];
  /** [group][layer] */
  readonly groups: readonly (readonly StitchKeys[])[];
}

/** The plan for these keys, or undefined where they are none of an SN-Net. */
export function planSnnet(keys: ReadonlySet<string>): SnnetPlan | undefined {
  const count = countFrom(keys, 'anchors.');
  if (count === 0) return undefined;
  const anchors = Array.from({ length: count }, (_, a) => planVit(keys, timmStyle(`anchors.${a}.`)));
  const groups = Array.from({ length: Math.max(1, countFrom(keys, 'stitch_layers.')) }, (_, group) => {
    const layers = Math.max(1, countFrom(keys, `stitch_layers.${group}.`));
    return Array.from({ length: layers }, (_unused, layer) => stitchKeys(keys, `stitch_layers.${group}.${layer}.transform.`));
  });
  return { anchors, groups };
}

/** SN-Netv2 is what has stitches in both directions between two anchors. */
export const isTwoWay = ({ anchors, groups }: SnnetPlan): boolean => anchors.length === 2 && groups.length === 2;

export const stitchKeysOf = ({ groups }: SnnetPlan): string[] =>
  groups
    .flat()
    .flatMap(({ weight, bias, lowRank }) => [weight, bias, ...(lowRank === undefined ? [] : [lowRank.a, lowRank.b])]);

function stitchKeys(keys: ReadonlySet<string>, prefix: string): StitchKeys {
  const plain = { weight: `${prefix}weight`, bias: `${prefix}bias` };
  const lowRank = { a: `${prefix}lora_A`, b: `${prefix}lora_B` };
  return keys.has(lowRank.a) || keys.has(lowRank.b) ? { ...plain, lowRank } : plain;
}
