/**
 * The heavy steps of a vision transformer's block, for the memory of tfjs' WASM backend: arguments are byte addresses of dense f32
 * matrices there, nothing is allocated, and no address is kept. Compiled by `npm run build:kernels` (AssemblyScript).
 *
 * Letters: B images, N tokens, D dim, H heads, d = D / H.
 */
import { exp, gelu, largest, madd, total } from './math';
import { multiply, PANEL, ROWS_KEPT } from './matrix';

/**
 * out [rows, columns] = f(x [rows, inner] · panels + bias) + residual [rows, columns], with f the GELU or nothing. `residual` 0 is none.
 * `bias` is as long as the panels are wide.
 */
export function linear(
  x: usize, panels: usize, bias: usize, residual: usize, out: usize, rows: usize, inner: usize, columns: usize, isGelu: bool,
): void {
  const aStride = inner << 2;
  const outStride = columns << 2;
  for (let row: usize = 0; row < rows; row += ROWS_KEPT) {
    const kept = min(ROWS_KEPT, rows - row);
    const to = out + row * outStride;
    multiply(x + row * aStride, aStride, panels, bias, to, outStride, kept, inner, columns);
    if (isGelu) activate(to, kept * columns);
    if (residual) add(to, residual + row * outStride, kept * columns);
  }
}

function activate(x: usize, count: usize): void {
  const end = x + (count << 2);
  for (; x + 16 <= end; x += 16) v128.store(x, gelu(v128.load(x)));
  for (; x < end; x += 4) f32.store(x, f32x4.extract_lane(gelu(v128.load_splat<f32>(x)), 0));
}

function add(x: usize, y: usize, count: usize): void {
  const end = x + (count << 2);
  for (; x + 16 <= end; x += 16, y += 16) v128.store(x, f32x4.add(v128.load(x), v128.load(y)));
  for (; x < end; x += 4, y += 4) f32.store(x, f32.load(x) + f32.load(y));
}

/** Each row of x [rows, dim] to mean 0 and variance 1, in two passes, then times gain plus bias [dim]. */
export function layerNorm(x: usize, gain: usize, bias: usize, out: usize, rows: usize, dim: usize, eps: f32): void {
  const whole = dim & ~3;
  for (let row: usize = 0; row < rows; row++, x += dim << 2, out += dim << 2) {
    let sums = f32x4.splat(0);
    for (let i: usize = 0; i < whole; i += 4) sums = f32x4.add(sums, v128.load(x + (i << 2)));
    let sum = total(sums);
    for (let i = whole; i < dim; i++) sum += f32.load(x + (i << 2));
    const mean = sum / <f32>dim;

    let squares = f32x4.splat(0);
    for (let i: usize = 0; i < whole; i += 4) {
      const centred = f32x4.sub(v128.load(x + (i << 2)), f32x4.splat(mean));
      squares = madd(centred, centred, squares);
    }
    let square = total(squares);
    for (let i = whole; i < dim; i++) {
      const centred = f32.load(x + (i << 2)) - mean;
      square += centred * centred;
    }
    const scale: f32 = 1 / sqrt<f32>(square / <f32>dim + eps);

    for (let i: usize = 0; i < whole; i += 4) {
      const at = i << 2;
      const normal = f32x4.mul(f32x4.sub(v128.load(x + at), f32x4.splat(mean)), f32x4.splat(scale));
      v128.store(out + at, madd(normal, v128.load(gain + at), v128.load(bias + at)));
    }
    for (let i = whole; i < dim; i++) {
      const at = i << 2;
      f32.store(out + at, (f32.load(x + at) - mean) * scale * f32.load(gain + at) + f32.load(bias + at));
    }
  }
}

// @ts-ignore: decorator
@inline
function padded(columns: usize): usize {
  return (columns + PANEL - 1) & ~(PANEL - 1);
}

/** Numbers of scratch memory that {@link attention} needs. */
export function attentionScratch(tokens: usize, headDim: usize): usize {
  return headDim * padded(tokens) + tokens * padded(headDim) + ROWS_KEPT * padded(tokens) + ROWS_KEPT;
}

/**
 * Multi-head self-attention: out [B·N, D] of qkv [B·N, 3D], every query, key and value of a token side by side, heads contiguous
 * inside each. Queries go through in chunks, so that no [N, N] is written.
 */
export function attention(
  qkv: usize, out: usize, scratch: usize, batch: usize, tokens: usize, heads: usize, headDim: usize,
): void {
  const dim = heads * headDim;
  const stride = (3 * dim) << 2;
  const wide = padded(tokens);
  const keys = scratch; // [⌈N / 8⌉, d, 8]
  const values = keys + ((headDim * wide) << 2); // [⌈d / 8⌉, N, 8]
  const scores = values + ((tokens * padded(headDim)) << 2); // [ROWS_KEPT, ⌈N / 8⌉ · 8]
  const sums = scores + ((ROWS_KEPT * wide) << 2); // [ROWS_KEPT]
  const scale: f32 = 1 / sqrt<f32>(<f32>headDim);
  for (let image: usize = 0; image < batch; image++) {
    const tokensAt = qkv + image * tokens * stride;
    for (let head: usize = 0; head < heads; head++) {
      const query = tokensAt + ((head * headDim) << 2);
      packKeys(query + (dim << 2), stride, keys, tokens, headDim, scale);
      packValues(query + ((2 * dim) << 2), stride, values, tokens, headDim);
      for (let row: usize = 0; row < tokens; row += ROWS_KEPT) {
        const kept = min(ROWS_KEPT, tokens - row);
        const to = out + (((image * tokens + row) * dim + head * headDim) << 2);
        multiply(query + row * stride, stride, keys, 0, scores, wide << 2, kept, headDim, wide);
        for (let i: usize = 0; i < kept; i++) f32.store(sums + (i << 2), softmax(scores + ((i * wide) << 2), tokens, wide));
        multiply(scores, wide << 2, values, 0, to, dim << 2, kept, tokens, headDim);
        for (let i: usize = 0; i < kept; i++) rescale(to + ((i * dim) << 2), headDim, 1 / f32.load(sums + (i << 2)));
      }
    }
  }
}

/** Keys [N, d], `stride` bytes apart, times `scale`, as panels of 8 tokens. */
function packKeys(keys: usize, stride: usize, panels: usize, tokens: usize, headDim: usize, scale: f32): void {
  for (let token: usize = 0; token < padded(tokens); token++) {
    const to = panels + (((token & ~7) * headDim + (token & 7)) << 2);
    for (let i: usize = 0; i < headDim; i++) {
      f32.store(to + (i << 5), token < tokens ? f32.load(keys + token * stride + (i << 2)) * scale : 0);
    }
  }
}

/** Values [N, d], `stride` bytes apart, as panels of 8 columns. */
function packValues(values: usize, stride: usize, panels: usize, tokens: usize, headDim: usize): void {
  for (let column: usize = 0; column < padded(headDim); column++) {
    const to = panels + (((column & ~7) * tokens + (column & 7)) << 2);
    for (let token: usize = 0; token < tokens; token++) {
      f32.store(to + (token << 5), column < headDim ? f32.load(values + token * stride + (column << 2)) : 0);
    }
  }
}

/** Scores to their shares, not yet divided by their sum, which is returned. What is beyond `count` is no score. */
function softmax(scores: usize, count: usize, wide: usize): f32 {
  for (let i = count; i < wide; i++) f32.store(scores + (i << 2), -f32.MAX_VALUE);
  let tops = v128.load(scores);
  for (let i: usize = 4; i < wide; i += 4) tops = f32x4.max(tops, v128.load(scores + (i << 2)));
  const top = f32x4.splat(largest(tops));
  let sums = f32x4.splat(0);
  for (let i: usize = 0; i < wide; i += 4) {
    const share = exp(f32x4.sub(v128.load(scores + (i << 2)), top));
    v128.store(scores + (i << 2), share);
    sums = f32x4.add(sums, share);
  }
  return total(sums);
}

function rescale(x: usize, count: usize, by: f32): void {
  const whole = count & ~3;
  for (let i: usize = 0; i < whole; i += 4) v128.store(x + (i << 2), f32x4.mul(v128.load(x + (i << 2)), f32x4.splat(by)));
  for (let i = whole; i < count; i++) f32.store(x + (i << 2), f32.load(x + (i << 2)) * by);
}
