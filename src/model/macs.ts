/**
 * Multiply-accumulates as the official SN-Net counter takes them: linear layers, attention products, and LayerNorm at 5 an
 * element; softmax, GELU, biases and residuals are not counted. Source: docs/bundle-format.md, MACs.
 */
import type { AnchorSpec, Manifest, VitConfig } from '../bundle/manifest';
import { StitchError } from '../core/errors';
import type { RoutePath } from '../core/types';

const NORM_PER_ELEMENT = 5;

/** What the count depends on. */
export interface MacsConfig {
  readonly input: Pick<Manifest['input'], 'size'>;
  readonly classes: number;
  readonly anchors: readonly {
    readonly id: AnchorSpec['id'];
    readonly config: Pick<VitConfig, 'dim' | 'mlp' | 'patch'>;
  }[];
}

/** One transformer block on `tokens` tokens: qkv, scores and mix, output projection, MLP, two norms. */
export function blockMacs({ dim, mlp }: Pick<VitConfig, 'dim' | 'mlp'>, tokens: number): number {
  const attention = tokens * 3 * dim * dim + 2 * tokens * tokens * dim + tokens * dim * dim;
  return attention + 2 * tokens * dim * mlp + 2 * NORM_PER_ELEMENT * tokens * dim;
}

/**
 * One inference of a route. `finalNorm`: whether the last anchor's LayerNorm runs, on all tokens.
 * Errors: bundle-invalid where the path names an anchor that is not there.
 */
export function routeMacs(config: MacsConfig, path: RoutePath, finalNorm: boolean): number {
  const spans = path.filter((step) => 'anchor' in step);
  const dims = spans.map(({ anchor }) => configOf(config, anchor));
  const [first] = dims;
  const last = dims.at(-1);
  if (first === undefined || last === undefined) return 0;
  const patches = (config.input.size / first.patch) ** 2;
  const tokens = 1 + patches;
  let macs = patches * 3 * first.patch ** 2 * first.dim;
  for (const [index, { from, to }] of spans.entries()) {
    const here = dims[index] ?? first;
    const before = dims[index - 1];
    if (before !== undefined) macs += tokens * before.dim * here.dim;
    macs += (to - from + 1) * blockMacs(here, tokens);
  }
  if (finalNorm) macs += NORM_PER_ELEMENT * tokens * last.dim;
  return macs + config.classes * last.dim;
}

function configOf({ anchors }: MacsConfig, id: string) {
  const anchor = anchors.find((candidate) => candidate.id === id);
  if (anchor !== undefined) return anchor.config;
  throw new StitchError('bundle-invalid', `A path names anchor "${id}", which is not there. Use one of anchors.`, {
    anchor: id,
  });
}
