/** Every variant of the GEMM against a scalar reference in f64, at shapes that do not fit its tiles. */
import { describe, expect, it } from 'vitest';
import { f16ToF32, f32ToF16 } from '../../../src/bundle/safetensors';
import { gemmBindings, gemmKernel, type GemmShape, gemmWorkgroups, type Tiling } from '../../../src/gpu/kernels/gemm/gemm';
import { dequantizeRows, quantizeRows, type QuantizedRows } from '../../../src/model/int8';
import { expectClose } from '../../support/close';
import { dispatch, download, random, upload, withDevice } from '../../support/gpu';

/** erf by its Taylor series (|x| < 3) or the complementary continued fraction: independent of the shader's formula. */
function erf(x: number): number {
  const z = Math.abs(x);
  if (z > 5.5) return Math.sign(x);
  if (z < 3) {
    let term = z;
    let sum = z;
    for (let n = 1; n < 120; n++) {
      term *= -(z * z) / n;
      sum += term / (2 * n + 1);
    }
    return Math.sign(x) * ((2 / Math.sqrt(Math.PI)) * sum);
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (z + fraction);
  return Math.sign(x) * (1 - Math.exp(-z * z) / Math.sqrt(Math.PI) / (z + fraction));
}

interface GemmData {
  x: Float32Array;
  /** What the kernel computes with, rounded to f16 or int8. */
  w: Float32Array;
  int8: QuantizedRows;
  bias: Float32Array;
  gamma: Float32Array;
  beta: Float32Array;
  cls: Float32Array;
  pos: Float32Array;
  old: Float32Array;
}

const half = (v: Float32Array): Float32Array => f16ToF32(f32ToF16(v));

function gemmData({ m, k, n, weights, rowStep = 1 }: GemmShape): GemmData {
  const x = random(m * rowStep * k, 1);
  // A common offset far above the spread: E[x²] − E[x]² would lose it.
  for (let i = 0; i < x.length; i++) x[i] = (x[i] ?? 0) + 30;
  const w = random(n * k, 2, 1 / Math.sqrt(k));
  // Rows of very different size, so that a scale at the wrong column is seen; and a row of zeros.
  if (weights === 'int8') for (let i = 0; i < w.length; i++) w[i]! *= [1, 0.01, 3, 0, 0.3][Math.floor(i / k) % 5]!;
  const int8 = quantizeRows('w', w, n);
  return {
    x,
    w: weights === 'int8' ? dequantizeRows(int8) : half(w),
    int8,
    bias: half(random(n, 3)),
    gamma: half(random(k, 4)),
    beta: half(random(k, 5)),
    cls: half(random(n, 6)),
    pos: half(random(m * n, 7)),
    old: random(m * n, 8),
  };
}

const at = (v: ArrayLike<number>, i: number): number => v[i] ?? Number.NaN;

function scalarGemm({ m, k, n, rowStep = 1, tokens = m, layerNorm, epilogue }: GemmShape, d: GemmData): Float32Array {
  const out = new Float32Array(m * n);
  for (let r = 0; r < m; r++) {
    let row = Array.from(d.x.subarray(r * rowStep * k, (r * rowStep + 1) * k));
    if (layerNorm) {
      const mean = row.reduce((a, b) => a + b, 0) / k;
      const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / k;
      row = row.map((v, i) => ((v - mean) / Math.sqrt(variance + layerNorm.eps)) * at(d.gamma, i) + at(d.beta, i));
    }
    for (let c = 0; c < n; c++) {
      let y = at(d.bias, c);
      for (let i = 0; i < k; i++) y += at(row, i) * at(d.w, c * k + i);
      if (epilogue === 'gelu') y = 0.5 * y * (1 + erf(y / Math.SQRT2));
      if (epilogue === 'residual') y += at(d.old, r * n + c);
      if (epilogue === 'embed') y = (r % tokens === 0 ? at(d.cls, c) : y) + at(d.pos, (r % tokens) * n + c);
      out[r * n + c] = y;
    }
  }
  return out;
}

/** Per row and 8 columns: mean and sum of squared deviations. */
function scalarMoments(values: Float32Array, m: number, n: number): Float32Array {
  const tiles = Math.ceil(n / 8);
  const out = new Float32Array(m * tiles * 2);
  for (let r = 0; r < m; r++) {
    for (let t = 0; t < tiles; t++) {
      const part = Array.from(values.subarray(r * n + t * 8, Math.min(r * n + t * 8 + 8, (r + 1) * n)));
      const mean = part.reduce((a, b) => a + b, 0) / part.length;
      out[(r * tiles + t) * 2] = mean;
      out[(r * tiles + t) * 2 + 1] = part.reduce((a, b) => a + (b - mean) ** 2, 0);
    }
  }
  return out;
}

/** K-major, columns padded to 8. */
function packMatrix<T extends Uint16Array | Int8Array>(values: T, packed: T, n: number, k: number): T {
  const stride = Math.ceil(n / 8) * 8;
  for (let c = 0; c < n; c++) for (let i = 0; i < k; i++) packed[i * stride + c] = at(values, c * k + i);
  return packed;
}

async function runGemm(
  device: GPUDevice,
  shape: GemmShape,
): Promise<{ out: Float32Array; stats: Float32Array; expected: Float32Array }> {
  const { m, k, n, weights, rowStep = 1 } = shape;
  const d = gemmData(shape);
  const padded = Math.ceil(n / 8) * 8;
  const stride = Math.ceil(n / 4) * 4;
  const tiles = Math.ceil(n / 8);
  const old = new Float32Array(m * stride);
  for (let r = 0; r < m; r++) old.set(d.old.subarray(r * n, (r + 1) * n), r * stride);
  const buffers: Record<string, GPUBuffer> = {
    x: upload(device, d.x),
    moments: upload(device, scalarMoments(d.x, m * rowStep, k)),
    gamma: upload(device, f32ToF16(d.gamma)),
    beta: upload(device, f32ToF16(d.beta)),
    w: upload(
      device,
      weights === 'int8'
        ? packMatrix(d.int8.values, new Int8Array(k * padded), n, k)
        : packMatrix(f32ToF16(d.w), new Uint16Array(k * padded), n, k),
    ),
    scale: upload(
      device,
      Float32Array.from({ length: padded }, (_, c) => d.int8.scale[c] ?? 0),
    ),
    bias: upload(device, f32ToF16(d.bias)),
    cls: upload(device, f32ToF16(d.cls)),
    pos: upload(device, f32ToF16(d.pos)),
    out: upload(device, old),
    stats: upload(device, new Float32Array(m * tiles * 2)),
  };
  const named = gemmBindings(shape)
    .map((name) => buffers[name])
    .filter((b) => b !== undefined);
  await dispatch(device, gemmKernel(shape), named, gemmWorkgroups(shape));
  const wide = new Float32Array(await download(device, buffers.out as GPUBuffer, m * stride * 4));
  const out = new Float32Array(m * n);
  for (let r = 0; r < m; r++) out.set(wide.subarray(r * stride, r * stride + n), r * n);
  const stats = new Float32Array(await download(device, buffers.stats as GPUBuffer, m * tiles * 8));
  return { out, stats, expected: scalarGemm(shape, d) };
}

const PLAIN = { weights: 'f16', tiling: 'direct4', epilogue: 'plain', stats: false } as const;

describe('gemm', () => {
  const cases: [string, GemmShape][] = [
    ['one row, ten columns (head)', { ...PLAIN, m: 1, k: 32, n: 10 }],
    ['one row, 7 columns, LayerNorm', { ...PLAIN, m: 1, k: 36, n: 7, layerNorm: { eps: 1e-6 } }],
    ['one row, 100 columns, LayerNorm', { ...PLAIN, m: 1, k: 144, n: 100, layerNorm: { eps: 1e-6 } }],
    ['65 rows, 4 deep, 9 columns', { ...PLAIN, m: 65, k: 4, n: 9 }],
    ['197 rows', { ...PLAIN, m: 197, k: 64, n: 24 }],
    ['5 rows, 200 columns', { ...PLAIN, m: 5, k: 100, n: 200 }],
    ['LayerNorm, 4 left over', { ...PLAIN, m: 17, k: 36, n: 108, layerNorm: { eps: 1e-6 } }],
    ['LayerNorm, large eps', { ...PLAIN, m: 3, k: 16, n: 48, layerNorm: { eps: 0.5 } }],
    ['GELU', { ...PLAIN, m: 67, k: 48, n: 192, layerNorm: { eps: 1e-6 }, epilogue: 'gelu' }],
    ['residual with moments', { ...PLAIN, m: 33, k: 144, n: 68, epilogue: 'residual', stats: true }],
    ['embedding with moments', { ...PLAIN, m: 17, k: 48, n: 32, epilogue: 'embed', stats: true }],
    ['embedding of 3 images', { ...PLAIN, m: 15, tokens: 5, k: 48, n: 32, epilogue: 'embed', stats: true }],
    ['every seventh row (head of 3 images)', { ...PLAIN, m: 3, rowStep: 7, k: 36, n: 10, layerNorm: { eps: 1e-6 } }],
    ['stitch with moments, 4 columns', { ...PLAIN, m: 10, k: 16, n: 4, stats: true }],
  ];
  // The form of the weights is read in one place for all tilings of a kind.
  const tilings: Record<string, readonly Tiling[]> = {
    f16: ['direct4', 'wide8', 'tiled32'],
    int8: ['direct4'],
    'one row': ['direct1', 'split'],
  };
  const variants = cases.flatMap(([name, shape]) =>
    (['f16', 'int8'] as const).flatMap((weights) =>
      (tilings[shape.m === 1 ? 'one row' : weights] ?? []).map((tiling): [string, GemmShape] => [
        `${name}: ${tiling}, ${weights}`,
        { ...shape, tiling, weights },
      ]),
    ),
  );
  const [, narrow] = cases.find(([name]) => name === 'residual with moments')!;
  for (const tiling of ['direct2', 'direct8', 'wide13', 'wide16', 'tiled64'] as const) {
    variants.push([`residual with moments: ${tiling}, f16`, { ...narrow, tiling }]);
  }
  for (const tiling of ['wide13', 'tiled32'] as const) {
    variants.push([`residual with moments: ${tiling}, int8`, { ...narrow, tiling, weights: 'int8' }]);
  }
  it.each(variants)('%s', async (name, shape) => {
    await withDevice(
      async (device) => {
        const { out, stats, expected } = await runGemm(device, shape);
        // f32 sums of up to 200 terms of size ~30 (without LayerNorm) against f64.
        expectClose(out, expected, shape.layerNorm ? 2e-4 : 5e-4, name);
        if (shape.stats) expectClose(stats, scalarMoments(expected, shape.m, shape.n), 2e-2, `${name}: moments`);
      },
      { special: shape.tiling === 'split' },
    );
  });

  it('reads every half float exactly, however small', async () => {
    // Sign, exponent 0…30, fraction.
    const bits = Uint16Array.from({ length: 2 * 31 * 1024 }, (_, i) => ((i & 1) << 15) | (i >> 1));
    const shape: GemmShape = { ...PLAIN, m: 1, k: 4, n: bits.length, tiling: 'direct1' };
    await withDevice(async (device) => {
      const zeros = upload(device, new Float32Array(4));
      const out = upload(device, new Float32Array(bits.length));
      const w = upload(device, new Uint16Array(4 * bits.length));
      await dispatch(device, gemmKernel(shape), [zeros, w, upload(device, bits), out], gemmWorkgroups(shape));
      const read = new Float32Array(await download(device, out, bits.length * 4));
      expect(read.findIndex((value, i) => value !== f16ToF32(bits.subarray(i, i + 1))[0])).toBe(-1);
    });
  });
});
