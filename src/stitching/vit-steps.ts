/**
 * The forward pass in single steps, for its activations: embedding and one block. The same operations in the same order as
 * `reference/vit.ts`, whose own steps are private to it; a test holds both to the same bits.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { VitConfig } from '../bundle/manifest';
import { gelu, layerNorm } from '../reference/vit';
import type { BlockWeights, EmbedWeights, Linear } from '../reference/weights';

type Triple = [tf.Tensor, tf.Tensor, tf.Tensor];

/** Patch projection, class token, positions. [B, 3, S, S] -> [B·N, D] */
export function embed(pixels: tf.Tensor4D, weights: EmbedWeights, { patch, dim }: VitConfig): tf.Tensor2D {
  return tf.tidy(() => {
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
export function block(tokens: tf.Tensor2D, weights: BlockWeights, { eps, heads }: VitConfig, batch: number): tf.Tensor2D {
  return tf.tidy(() => {
    const qkv = linear(layerNorm(tokens, weights.norm1, eps), weights.qkv); // [B·N, D] -> [B·N, 3D]
    const attended = tf.add<tf.Tensor2D>(tokens, linear(attention(qkv, heads, batch), weights.proj)); // [B·N, D]
    const hidden = linear(layerNorm(attended, weights.norm2, eps), weights.fc1); // [B·N, D] -> [B·N, M]
    return tf.add(attended, linear(gelu(hidden), weights.fc2)); // [B·N, M] -> [B·N, D]
  });
}

/** Multi-head self-attention without its projections. [B·N, 3D] -> [B·N, D] */
function attention(qkv: tf.Tensor2D, heads: number, batch: number): tf.Tensor2D {
  const [rows, width] = qkv.shape;
  const tokens = rows / batch;
  const headDim = width / (3 * heads);
  const split = tf.reshape(qkv, [batch, tokens, 3 * heads, headDim]); // [B·N, 3D] -> [B, N, 3H, d]
  const turned = tf.transpose(split, [0, 2, 1, 3]); // -> [B, 3H, N, d]
  const parts = tf.unstack(tf.reshape(turned, [batch * 3 * heads, tokens, headDim])); // -> B·3H × [N, d]
  const images = Array.from({ length: batch }, (_, image) => {
    const mixed = Array.from({ length: heads }, (_head, at) => {
      const [query, key, value] = [0, 1, 2].map((kind) => parts[(image * 3 + kind) * heads + at]!) as Triple; // 3 × [N, d]
      const scaled = tf.mul(query, 1 / Math.sqrt(headDim)); // [N, d]
      return tf.matMul(tf.softmax(tf.matMul(scaled, tf.transpose(key))), value); // [N, N] · [N, d] -> [N, d]
    });
    return tf.concat(mixed, 1); // H × [N, d] -> [N, D]
  });
  return tf.concat(images, 0) as tf.Tensor2D; // B × [N, D] -> [B·N, D]
}

/** [rows, in] -> [rows, out] */
function linear(x: tf.Tensor2D, { weight, bias }: Linear): tf.Tensor2D {
  return tf.fused.matMul({ a: x, b: weight, bias }) as tf.Tensor2D; // [rows, in] · [in, out] + [out] -> [rows, out]
}
