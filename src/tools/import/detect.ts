/** Which library or program wrote a checkpoint, from its key names alone; nothing may be missing and nothing left over. */
import { invalid } from './file';
import { isTwoWay, planSnnet, stitchKeysOf, type SnnetPlan } from './names-snnet';
import { huggingFaceStyle, keysOf, planVit, timmStyle, type VitPlan } from './names-vit';
import type { Checkpoint } from './source';

export type Detected =
  | { readonly style: 'timm' | 'hf'; readonly title: string; readonly vit: VitPlan }
  | { readonly style: 'snnet' | 'snnetv2'; readonly title: string; readonly snnet: SnnetPlan };

interface Candidate {
  readonly found: Detected;
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
  /** Share of the keys in question that fit, 0…1. */
  readonly fit: number;
}

/** How many keys a message lists. */
const SHOWN = 5;

/** Keys that say why a checkpoint is of no readable kind. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [
    /(^|\.)(dist_token|head_dist\.|distillation_token|distillation_classifier\.)/,
    'It is a distilled DeiT with two heads; use the variant without distillation token',
  ],
  [/(^|\.)layers\.\d+\.(blocks|downsample)\./, 'It is a Swin network; plain vision transformers are imported so far'],
  [/(^|\.)layer[1-4]\.\d+\.conv1/, 'It is a ResNet; plain vision transformers are imported so far'],
  [/(^|\.)fc_norm\./, 'Its head averages the tokens; only heads on the class token are imported'],
  [/(^|\.)(reg_token|register_tokens)$/, 'It has register tokens, which this engine does not run'],
  [/\.(q_norm|k_norm)\./, 'It normalises queries and keys, which this engine does not do'],
];

/** The one style that explains every key. Errors: bundle-invalid with missing and unexpected keys of the best fit. */
export function detectStyle({ path, tensors }: Pick<Checkpoint, 'path' | 'tensors'>): Detected {
  const keys: ReadonlySet<string> = new Set(tensors.keys());
  const candidates = candidatesFor(keys).sort((a, b) => b.fit - a.fit);
  const best = candidates[0]!;
  if (best.missing.length === 0 && best.unexpected.length === 0) return best.found;
  const reason = REASONS.find(([pattern]) => [...keys].some((key) => pattern.test(key)))?.[1];
  const problem = [
    `its keys are not those of a readable network; ${best.found.title} fits best`,
    list('missing', best.missing),
    list('unexpected', best.unexpected),
  ];
  const remedy = reason ?? 'Give a ViT or DeiT classifier of timm or Hugging Face, or an official SN-Net checkpoint of DeiT';
  return invalid(path, undefined, problem.filter((part) => part !== '').join('; '), `${remedy}.`);
}

function candidatesFor(keys: ReadonlySet<string>): Candidate[] {
  const vits = [timmStyle(), huggingFaceStyle('vit.'), huggingFaceStyle('deit.'), huggingFaceStyle('')].map((style, index) => {
    const vit = planVit(keys, style);
    return weigh(keys, { style: index === 0 ? 'timm' : 'hf', title: style.title, vit }, keysOf(vit), vit.idle);
  });
  const snnet = planSnnet(keys);
  if (snnet === undefined) return vits;
  const style = isTwoWay(snnet) ? 'snnetv2' : 'snnet';
  const title = style === 'snnetv2' ? 'official SN-Netv2' : 'official SN-Net (DeiT)';
  return [...vits, weigh(keys, { style, title, snnet }, [...snnet.anchors.flatMap(keysOf), ...stitchKeysOf(snnet)], [])];
}

function weigh(keys: ReadonlySet<string>, found: Detected, expected: readonly string[], idle: readonly string[]): Candidate {
  const wanted = new Set(expected);
  const missing = expected.filter((key) => !keys.has(key));
  const unexpected = [...keys].filter((key) => !wanted.has(key) && !idle.includes(key));
  const matched = wanted.size - missing.length;
  return { found, missing, unexpected, fit: matched / (matched + missing.length + unexpected.length) };
}

function list(what: string, keys: readonly string[]): string {
  if (keys.length === 0) return '';
  const more = keys.length > SHOWN ? ` and ${keys.length - SHOWN} more` : '';
  return `${what}: ${keys.slice(0, SHOWN).join(', ')}${more}`;
}
