/**
 * The forward pass of one route in tfjs ops: the network as documentation, the oracle of the tests, and what runs where
 * there is no real GPU. It follows timm's `VisionTransformer` (docs/bundle-format.md) and knows no backend.
 *
 * Letters in the shape comments: B images, S pixels a side, P patch, G = S / P patches a side, N = 1 + G² tokens, D dim,
 * H heads, M mlp, C classes. Tokens of all images share one matrix [B·N, D].
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Manifest, RouteSpec, VitConfig } from '../bundle/manifest';
import { StitchError } from '../core/errors';
import { attention, layerNorm, linear } from './ops';
import type { BlockWeights, EmbedWeights, HeadWeights, VitWeights } from './weights';

/**
 * Runs a route.
 * @param pixels normalised images, f32 [B, 3, S, S] with S = `manifest.input.size`
 * @returns logits [B, C], owned by the caller; every other tensor made here is freed
 * @throws StitchError `argument-invalid` for pixels of another shape, `internal` where the route's weights are not loaded
 */
export function forward(manifest: Manifest, weights: VitWeights, route: RouteSpec, pixels: tf.Tensor4D): tf.Tensor2D {
  const { size } = manifest.input;
  const [, channels, height, width] = pixels.shape;
  if (channels !== 3 || height !== size || width !== size) {
    throw new StitchError(
      'argument-invalid',
      `Pixels have shape [${pixels.shape.join(', ')}]; this bundle takes [B, 3, ${size}, ${size}].`,
    );
  }
  return tf.tidy(() => {
    const pieces = forwardInPieces(manifest, weights, route, pixels);
    let piece = pieces.next();
    while (piece.done !== true) piece = pieces.next();
    return piece.value;
  });
}

/** The same, with a stop after each block. Ended early, it frees what it holds. Pixels of another shape are the caller's fault. */
export function* forwardInPieces(
  manifest: Manifest,
  weights: VitWeights,
  route: RouteSpec,
  pixels: tf.Tensor4D,
): Generator<undefined, tf.Tensor2D> {
  const batch = pixels.shape[0];
  let tokens: tf.Tensor2D | undefined; // [B·N, D]
  let last = '';
  const step = (next: tf.Tensor2D): void => {
    tokens?.dispose();
    tokens = next;
  };
  try {
    for (const part of route.path) {
      if ('stitch' in part) {
        step(linear(present(tokens, route), weights.stitch(part.stitch))); // [B·N, D front] -> [B·N, D back]
        continue;
      }
      const config = configOf(manifest, part.anchor);
      if (tokens === undefined) step(embed(pixels, weights.embed(part.anchor), config)); // [B, 3, S, S] -> [B·N, D]
      for (let index = part.from; index <= part.to; index += 1) {
        step(block(present(tokens, route), weights.block(part.anchor, index), config, batch)); // [B·N, D]
        yield;
      }
      last = part.anchor;
    }
    const config = configOf(manifest, last);
    return tf.tidy(() => head(present(tokens, route), weights.head(last), config, batch, route.finalNorm)); // [B, C]
  } finally {
    tokens?.dispose();
  }
}

/** Patch projection, class token, positions. [B, 3, S, S] -> [B·N, D] */
export function embed(pixels: tf.Tensor4D, weights: EmbedWeights, config: VitConfig): tf.Tensor2D {
  return tf.tidy(() => {
    const { patch, dim } = config;
    const [batch, , size] = pixels.shape;
    const grid = size / patch;
    const columns = tf.reshape(pixels, [batch * 3 * grid, patch, grid, patch]); // [B, 3, S, S] -> [B·3·G, P, G, P]
    const tiles = tf.transpose(columns, [0, 2, 1, 3]); // -> [B·3·G, G, P, P]
    const planes = tf.reshape(tiles, [batch, 3, grid * grid, patch * patch]); // -> [B, 3, G², P²]
    const patches = tf.transpose(planes, [0, 2, 1, 3]); // -> [B, G², 3, P²]
    const flat = tf.reshape(patches, [batch * grid * grid, 3 * patch * patch]) as tf.Tensor2D; // -> [B·G², 3P²]
    const projected = tf.reshape(linear(flat, weights.proj), [batch, grid * grid, dim]); // [B·G², D] -> [B, G², D]
    const placed = tf.add(projected, weights.pos); // [B, G², D] + [G², D] -> [B, G², D]
    const cls = tf.tile(tf.reshape(weights.cls, [1, 1, dim]), [batch, 1, 1]); // [1, D] -> [1, 1, D] -> [B, 1, D]
    return tf.reshape(tf.concat([cls, placed], 1), [batch * (1 + grid * grid), dim]); // [B, N, D] -> [B·N, D]
  });
}

/** One pre-norm transformer block. [B·N, D] -> [B·N, D] */
export function block(tokens: tf.Tensor2D, weights: BlockWeights, config: VitConfig, batch: number): tf.Tensor2D {
  return tf.tidy(() => {
    const qkv = linear(layerNorm(tokens, weights.norm1, config.eps), weights.qkv); // [B·N, D] -> [B·N, 3D]
    const attended = linear(attention(qkv, config.heads, batch), weights.proj, { residual: tokens }); // [B·N, 3D] -> [B·N, D]
    const hidden = linear(layerNorm(attended, weights.norm2, config.eps), weights.fc1, { gelu: true }); // [B·N, D] -> [B·N, M]
    return linear(hidden, weights.fc2, { residual: attended }); // [B·N, M] -> [B·N, D]
  });
}

/** Class tokens to logits. [B·N, D] -> [B, C] */
export function head(
  tokens: tf.Tensor2D,
  weights: HeadWeights,
  config: VitConfig,
  batch: number,
  finalNorm: boolean,
): tf.Tensor2D {
  const { dim, eps } = config;
  const perImage = tokens.shape[0] / batch;
  const images = tf.reshape(tokens, [batch, perImage, dim]); // [B·N, D] -> [B, N, D]
  const cls = tf.reshape(tf.slice(images, [0, 0, 0], [batch, 1, dim]), [batch, dim]) as tf.Tensor2D; // -> [B, 1, D] -> [B, D]
  // A norm works token by token, so the class tokens alone are enough.
  return linear(finalNorm ? layerNorm(cls, weights.norm, eps) : cls, weights.fc); // [B, D] -> [B, C]
}

function present(tokens: tf.Tensor2D | undefined, route: RouteSpec): tf.Tensor2D {
  if (!tokens)
    throw new StitchError('internal', `Route "${route.id}" does not start with blocks of an anchor.`, { route: route.id });
  return tokens;
}

function configOf(manifest: Manifest, anchor: string): VitConfig {
  const spec = manifest.anchors.find((candidate) => candidate.id === anchor);
  if (!spec) throw new StitchError('internal', `The manifest has no anchor "${anchor}".`, { anchor });
  return spec.config;
}
