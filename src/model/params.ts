/** Parameters of plain vision transformers, as the official SN-Net DeiT results count them. Source: snnet.md section 5. */
import type { Manifest, VitConfig } from '../bundle/manifest';
import { StitchError } from '../core/errors';
import type { RoutePath } from '../core/types';

/** Weights and biases of one block: two norms, qkv, projection, MLP. */
export function blockParams({ dim, mlp }: Pick<VitConfig, 'dim' | 'mlp'>): number {
  const attention = 3 * dim * dim + 3 * dim + dim * dim + dim;
  return attention + 2 * dim * mlp + mlp + dim + 4 * dim;
}

/** Patch projection with bias. */
const projectionParams = ({ dim, patch }: VitConfig): number => (3 * patch ** 2 + 1) * dim;

/**
 * Parameters of one route as published: a whole anchor with everything; a stitched route with the front's patch projection, the
 * blocks it runs, the stitch, and the back's norm (whether or not it runs) and head, but without class token and positions.
 * Errors: bundle-invalid where the path names an anchor that is not there.
 */
export function routeParams(
  { input, classes, anchors }: Pick<Manifest, 'input' | 'classes' | 'anchors'>,
  path: RoutePath,
): number {
  const spans = path.filter((step) => 'anchor' in step);
  const configs = spans.map(({ anchor }) => {
    const found = anchors.find(({ id }) => id === anchor);
    if (found !== undefined) return found.config;
    throw new StitchError('bundle-invalid', `A path names anchor "${anchor}", which is not there. Use one of anchors.`, {
      anchor,
    });
  });
  const [first] = configs;
  const last = configs.at(-1);
  if (first === undefined || last === undefined) return 0;
  let params = projectionParams(first) + 2 * last.dim + classes * (last.dim + 1);
  for (const [index, { from, to }] of spans.entries()) {
    const here = configs[index]!;
    const before = configs[index - 1];
    if (before !== undefined) params += here.dim * (before.dim + 1);
    params += (to - from + 1) * blockParams(here);
  }
  const tokens = 1 + (input.size / first.patch) ** 2;
  return spans.length === 1 ? params + (1 + tokens) * first.dim : params;
}

/** Every parameter that a family stores: all anchors whole, and every stitch once. */
export function familyParams(family: Pick<Manifest, 'input' | 'classes' | 'anchors' | 'stitches'>): number {
  const dims = new Map(family.anchors.map(({ id, config }) => [id, config.dim]));
  const whole = family.anchors.map(({ id, config }) => routeParams(family, [{ anchor: id, from: 0, to: config.depth - 1 }]));
  const stitches = family.stitches.map(({ from, to }) => (dims.get(to) ?? 0) * ((dims.get(from) ?? 0) + 1));
  return [...whole, ...stitches].reduce((sum, count) => sum + count, 0);
}
