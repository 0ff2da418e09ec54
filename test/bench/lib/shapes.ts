/** The networks that are benchmarked: DeiT's three sizes and the two anchors of the default bundle. */
import type { InputSpec, VitConfig } from '../../../src/bundle/manifest';

export interface Shape {
  /** As in a sentence. */
  readonly title: string;
  readonly config: VitConfig;
  readonly input: InputSpec;
  readonly classes: number;
}

const vit = (dim: number, heads: number, patch: number): VitConfig => ({
  dim,
  depth: 12,
  heads,
  mlp: 4 * dim,
  patch,
  eps: 1e-6,
});
const input = (size: number, crop: number): InputSpec => ({
  size,
  crop,
  filter: 'bilinear',
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
});
const deit = (letters: string, dim: number, heads: number): Shape => ({
  title: `DeiT-${letters}`,
  config: vit(dim, heads, 16),
  input: input(224, 0.875),
  classes: 1000,
});
const photos = (dim: number, heads: number): Shape => ({
  title: `default bundle, w${dim}`,
  config: vit(dim, heads, 8),
  input: input(64, 1),
  classes: 200,
});

export const SHAPES = {
  ti: deit('Ti', 192, 3),
  s: deit('S', 384, 6),
  b: deit('B', 768, 12),
  w96: photos(96, 3),
  w128: photos(128, 4),
} as const satisfies Readonly<Record<string, Shape>>;
export type ShapeId = keyof typeof SHAPES;
