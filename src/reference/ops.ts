/**
 * What a block is made of, in plain tfjs ops; on tfjs' WASM backend as one kernel of this project each (simd/), which computes the
 * same numbers up to rounding.
 *
 * Letters in the shape comments: B images, N tokens, D dim, H heads, d = D / H.
 */
import * as tf from '@tensorflow/tfjs-core';
import { ATTENTION, LAYER_NORM, LINEAR, PANEL } from './simd/register';

/** y = x · weight + bias. */
export interface Linear {
  /** [in, out]; in panels [⌈out / 8⌉, in, 8], the missing columns 0, where the backend has a kernel for that. */
  readonly weight: tf.Tensor2D | tf.Tensor3D;
  /** [out], or as wide as the panels. */
  readonly bias: tf.Tensor1D;
  readonly out: number;
}

/** The affine part of a LayerNorm, both [dim]. */
export interface Norm {
  readonly gain: tf.Tensor1D;
  readonly bias: tf.Tensor1D;
}

type Triple = [tf.Tensor, tf.Tensor, tf.Tensor];

const has = (kernel: string): boolean => tf.getKernel(kernel, tf.getBackend()) !== undefined;

/**
 * A linear layer in the form that the current backend is fastest with.
 *
 * Without the kernel every product is a plain 2-D `matMul` without transpose flags: tfjs' WASM backend computes only that form with
 * SIMD (XNNPACK), its WebGPU backend has its vec4 path for it.
 * @param rows torch's layout, [out, in]
 */
export function linearOf(rows: Float32Array, bias: Float32Array): Linear {
  const out = bias.length;
  const inner = rows.length / out;
  const inPanels = has(LINEAR);
  // A plain matrix [in, out] is one panel as wide as it is.
  const width = inPanels ? PANEL : out;
  const count = Math.ceil(out / width);
  const values = new Float32Array(count * inner * width);
  for (let column = 0; column < out; column++) {
    let to = Math.floor(column / width) * inner * width + (column % width);
    const end = (column + 1) * inner;
    for (let from = column * inner; from < end; from++, to += width) values[to] = rows[from]!;
  }
  const wide = new Float32Array(count * width);
  wide.set(bias);
  return {
    weight: inPanels ? tf.tensor3d(values, [count, inner, width]) : tf.tensor2d(values, [inner, out]),
    bias: tf.tensor1d(wide),
    out,
  };
}

/** tfjs' WASM backend packs a matrix at its first use, which is not to fall into a frame. */
export function useOnce(layer: Linear): void {
  if (layer.weight.rank === 2) tf.tidy(() => void linear(tf.zeros([1, layer.weight.shape[0]]), layer)); // [1, in] -> [1, out]
}

/** f(x [rows, in] · weight + bias) + residual: [rows, out]. f is the exact GELU, or nothing. */
export function linear(
  x: tf.Tensor2D,
  { weight, bias, out }: Linear,
  { gelu: isGelu = false, residual }: { readonly gelu?: boolean; readonly residual?: tf.Tensor2D } = {},
): tf.Tensor2D {
  if (weight.rank === 3) {
    const inputs = { x, panels: weight, bias, ...(residual && { residual }) };
    return tf.engine().runKernel<tf.Tensor2D>(LINEAR, inputs, { out, gelu: isGelu });
  }
  return tf.tidy(() => {
    const product = tf.fused.matMul({ a: x, b: weight, bias }) as tf.Tensor2D; // [rows, in] · [in, out] + [out] -> [rows, out]
    const active = isGelu ? gelu(product) : product;
    return residual === undefined ? active : tf.add(residual, active);
  });
}

/** The exact GELU, x · Φ(x) = x / 2 · (1 + erf(x / √2)). Any shape. */
export function gelu(x: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1)));
}

/** Normalises each row to mean 0, variance 1, in two passes (no E[x²] - mean², which cancels). [rows, D] -> [rows, D] */
export function layerNorm(x: tf.Tensor2D, { gain, bias }: Norm, eps: number): tf.Tensor2D {
  if (has(LAYER_NORM)) return tf.engine().runKernel<tf.Tensor2D>(LAYER_NORM, { x, gain, bias }, { eps });
  return tf.tidy(() => {
    const centred = tf.sub(x, tf.mean(x, 1, true)); // [rows, D] - [rows, 1] -> [rows, D]
    const variance = tf.mean(tf.square(centred), 1, true); // [rows, D] -> [rows, 1]
    const normal = tf.mul(centred, tf.rsqrt(tf.add(variance, eps))); // [rows, D] · [rows, 1] -> [rows, D]
    return tf.add(tf.mul(normal, gain), bias); // [rows, D] · [D] + [D] -> [rows, D]
  });
}

/** Multi-head self-attention without its projections. [B·N, 3D] -> [B·N, D] */
export function attention(qkv: tf.Tensor2D, heads: number, batch: number): tf.Tensor2D {
  if (has(ATTENTION)) return tf.engine().runKernel<tf.Tensor2D>(ATTENTION, { qkv }, { heads, batch });
  return tf.tidy(() => {
    const [rows, width] = qkv.shape;
    const tokens = rows / batch;
    const headDim = width / (3 * heads);
    // One transpose for all heads: after it every query, key and value matrix is contiguous and cheap to cut out.
    const split = tf.reshape(qkv, [batch, tokens, 3 * heads, headDim]); // [B·N, 3D] -> [B, N, 3H, d]
    const turned = tf.transpose(split, [0, 2, 1, 3]); // -> [B, 3H, N, d]
    const parts = tf.unstack(tf.reshape(turned, [batch * 3 * heads, tokens, headDim])); // -> [B·3H, N, d] -> B·3H × [N, d]
    const images = Array.from({ length: batch }, (_, image) => {
      const mixed = Array.from({ length: heads }, (_head, at) => {
        const [query, key, value] = [0, 1, 2].map((kind) => parts[(image * 3 + kind) * heads + at]!) as Triple; // 3 × [N, d]
        const scaled = tf.mul(query, 1 / Math.sqrt(headDim)); // [N, d]
        const shares = tf.softmax(tf.matMul(scaled, tf.transpose(key))); // [N, d] · [d, N] -> [N, N], rows sum to 1
        return tf.matMul(shares, value); // [N, N] · [N, d] -> [N, d]
      });
      return tf.concat(mixed, 1); // H × [N, d] -> [N, D]
    });
    return tf.concat(images, 0) as tf.Tensor2D; // B × [N, D] -> [B·N, D]
  });
}
