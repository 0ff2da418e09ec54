/**
 * Which kernels a plain vision transformer's embed, blocks, head and stitches emit: 5 dispatches a block (LN + QKV,
 * attention, projection + residual, LN + fc1 + GELU, fc2 + residual), one for the embedding, one for the head, one per
 * stitch.
 */
import type { AnchorSpec, Manifest } from '../../bundle/manifest';
import { StitchError } from '../../core/errors';
import { scaleName } from '../../model/int8';
import type { Kernel } from '../kernel';
import type { Size } from '../tune';
import { attentionKernel, type AttentionShape, type AttentionSharing, attentionWorkgroups } from '../kernels/attention';
import {
  gemmBindings,
  gemmKernel,
  type GemmShape,
  gemmWorkgroups,
  type Halves,
  PANEL_COLUMNS,
  type Tiling,
  type WeightFormat,
} from '../kernels/gemm/gemm';

/** A dispatch before its GPU objects exist. Bindings name activations (`@…`) or weight tensors. */
export interface Step {
  readonly kernel: Kernel;
  readonly bindings: readonly string[];
  readonly workgroups: number;
}

export interface VitFamily {
  /** Activation buffers by name, in bytes. */
  readonly activations: ReadonlyMap<string, number>;
  readonly tokens: number;
  readonly patch: number;
  embed(anchor: string): Step;
  block(anchor: string, index: number): Step[];
  head(anchor: string, finalNorm: boolean): Step;
  stitch(id: string): Step;
}

const patchOf = ({ anchors }: Manifest): number => anchors[0]?.config.patch ?? 0;
const tokensOf = (manifest: Manifest): number => 1 + (manifest.input.size / patchOf(manifest)) ** 2;

/** The sizes of the linear layers in which the time goes, smallest anchor first. */
export function linearSizes(manifest: Manifest): Size[] {
  const m = tokensOf(manifest);
  return manifest.anchors.flatMap(({ config: { dim, mlp } }) => [
    { m, k: dim, n: 3 * dim },
    { m, k: dim, n: mlp },
    { m, k: mlp, n: dim },
    { m, k: dim, n: dim },
    { m: 1, k: dim, n: manifest.classes },
  ]);
}

export interface VitKernels {
  /** How a loaded matrix is packed. */
  readonly formatOf: (matrix: string) => WeightFormat;
  /** How a linear layer's work is shared out (gpu/tune.ts). */
  readonly tilingOf: (size: Size) => Tiling;
  readonly attentionOf: (shape: Omit<AttentionShape, keyof AttentionSharing>) => AttentionSharing;
  readonly halves: Halves;
  /** How many go through each dispatch, their tokens one below the other. */
  readonly images: number;
}

/** Embed, block, head and stitch are asked for only when their unit is loaded. */
export function createVitFamily(
  manifest: Manifest,
  { formatOf, tilingOf, attentionOf, halves, images }: VitKernels,
): VitFamily {
  const { anchors, classes } = manifest;
  const patch = patchOf(manifest);
  const patchLength = 3 * patch * patch;
  if (patchLength % 4 !== 0 || anchors.some((a) => a.config.patch !== patch)) {
    throw new StitchError(
      'unsupported',
      'The WebGPU kernels need one even patch size for all anchors of a bundle. Use backend "wasm", or split the bundle by patch size.',
      { patch },
    );
  }
  const tokens = tokensOf(manifest);
  const m = images * tokens;
  const spec = (id: string): AnchorSpec => {
    const anchor = anchors.find((a) => a.id === id);
    if (anchor === undefined) throw new StitchError('bundle-invalid', `No anchor ${id} in the manifest.`, { anchor: id });
    return anchor;
  };
  const widest = (f: (a: AnchorSpec) => number) => Math.max(...anchors.map(f));
  const activations = new Map<string, number>([
    // An image's row 0 stays zero: the class token has no pixels.
    ['@patches', m * patchLength * 4],
    ['@qkv', m * widest((a) => 3 * a.config.dim) * 4],
    ['@hidden', m * widest((a) => a.config.mlp) * 4],
    ['@logits', images * Math.ceil(classes / PANEL_COLUMNS) * PANEL_COLUMNS * 4],
  ]);
  for (const { id, config } of anchors) {
    // One residual stream per anchor, so that a stitch reads one and writes the other.
    // One per width, of that length: the kernel reads the width off it.
    activations.set(`@attention.${config.dim}`, m * config.dim * 4);
    activations.set(`@x.${id}`, m * config.dim * 4);
    activations.set(`@moments.${id}`, m * Math.ceil(config.dim / PANEL_COLUMNS) * 8);
  }

  /** `linear`: the tensor prefix of weight and bias; `names`: what else the shape binds. */
  const gemm = (
    part: Omit<GemmShape, 'weights' | 'tiling' | 'halves'>,
    linear: string,
    names: Record<string, string>,
  ): Step => {
    const w = `${linear}.weight`;
    const shape = { ...part, weights: formatOf(w), tiling: tilingOf(part), halves };
    const all: Record<string, string> = { ...names, w, scale: scaleName(w), bias: `${linear}.bias` };
    return {
      kernel: gemmKernel(shape),
      bindings: gemmBindings(shape).map((slot) => all[slot] ?? ''),
      workgroups: gemmWorkgroups(shape),
    };
  };
  const base = { m, epilogue: 'plain', stats: false } as const;

  return {
    activations,
    tokens,
    patch,
    embed(anchor) {
      const { dim } = spec(anchor).config;
      const unit = `anchors.${anchor}.embed`;
      return gemm({ ...base, k: patchLength, n: dim, epilogue: 'embed', tokens, stats: true }, `${unit}.proj`, {
        x: '@patches',
        cls: `${unit}.cls`,
        pos: `${unit}.pos`,
        out: `@x.${anchor}`,
        stats: `@moments.${anchor}`,
      });
    },
    block(anchor, index) {
      const { dim, heads, mlp, eps } = spec(anchor).config;
      const unit = `anchors.${anchor}.blocks.${index}`;
      const x = `@x.${anchor}`;
      const stats = `@moments.${anchor}`;
      const attended = `@attention.${dim}`;
      const size = { images, tokens, heads, headDim: dim / heads };
      const attention = { ...size, ...attentionOf(size) };
      const norm = (name: string) => ({ moments: stats, gamma: `${unit}.${name}.weight`, beta: `${unit}.${name}.bias` });
      return [
        gemm({ ...base, k: dim, n: 3 * dim, layerNorm: { eps } }, `${unit}.qkv`, { x, ...norm('norm1'), out: '@qkv' }),
        { kernel: attentionKernel(attention), bindings: ['@qkv', attended], workgroups: attentionWorkgroups(attention) },
        gemm({ ...base, k: dim, n: dim, epilogue: 'residual', stats: true }, `${unit}.proj`, {
          x: attended,
          out: x,
          stats,
        }),
        gemm({ ...base, k: dim, n: mlp, layerNorm: { eps }, epilogue: 'gelu' }, `${unit}.fc1`, {
          x,
          ...norm('norm2'),
          out: '@hidden',
        }),
        gemm({ ...base, k: mlp, n: dim, epilogue: 'residual', stats: true }, `${unit}.fc2`, { x: '@hidden', out: x, stats }),
      ];
    },
    head(anchor, finalNorm) {
      const { dim, eps } = spec(anchor).config;
      const unit = `anchors.${anchor}.head`;
      // Only an image's row 0, the class token, is computed.
      return gemm(
        { ...base, m: images, rowStep: tokens, k: dim, n: classes, ...(finalNorm ? { layerNorm: { eps } } : {}) },
        `${unit}.fc`,
        {
          x: `@x.${anchor}`,
          moments: `@moments.${anchor}`,
          gamma: `${unit}.norm.weight`,
          beta: `${unit}.norm.bias`,
          out: '@logits',
        },
      );
    },
    stitch(id) {
      const stitch = manifest.stitches.find((s) => s.id === id);
      if (stitch === undefined) throw new StitchError('bundle-invalid', `No stitch ${id} in the manifest.`, { stitch: id });
      return gemm({ ...base, k: spec(stitch.from).config.dim, n: spec(stitch.to).config.dim, stats: true }, `stitches.${id}`, {
        x: `@x.${stitch.from}`,
        out: `@x.${stitch.to}`,
        stats: `@moments.${stitch.to}`,
      });
    },
  };
}
