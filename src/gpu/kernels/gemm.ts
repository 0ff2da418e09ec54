/**
 * out[m, n] = epilogue(Σ_k prologue(x)[m, k] · W[k, n] + bias[n]): every linear layer of the network.
 *
 * Direct and register-tiled: one invocation computes ROWS × 8 outputs, reading x four values and W eight columns at a
 * time, without workgroup memory. f16 or int8 weights, f32 sums.
 *
 * int8 weights have one scale a column of W, so the scale stays out of the sum: out = prologue(x) · values, times scale, plus
 * bias. The values are whole numbers that f32 holds exactly.
 *
 * LayerNorm costs no dispatch: a kernel that writes a block's activation also writes, per row and per 8 columns, the mean
 * and the sum of squared deviations of what it wrote (`stats`); the next kernel combines these partial moments (Chan et
 * al. 1979: no cancellation, unlike E[x²] − E[x]²) and normalises while it reads x.
 *
 * Buffers: x f32 [M, K]; W packed K-major, columns padded to 8: W[k, 8c … 8c+7] is one vec4<u32> of f16 or one vec2<u32> of
 * int8; scale f32 and bias f16, padded to 8; gamma, beta f16 [K]; stats vec2f (mean, M2) [M, ⌈N / 8⌉].
 */
import { type Kernel, unroll, WORKGROUP_SIZE, workgroupsFor } from '../kernel';

export const TILE_COLUMNS = 8;

export type WeightFormat = 'f16' | 'int8';

export interface GemmShape {
  readonly weights: WeightFormat;
  /** Rows, contraction length (multiple of 4) and columns (multiple of 4 when stats are written). */
  readonly m: number;
  readonly k: number;
  readonly n: number;
  /** Output rows of one invocation. */
  readonly rows: number;
  /** Output row m is computed from row m·rowStep of x. */
  readonly rowStep?: number;
  /** LayerNorm of x on the way in. */
  readonly layerNorm?: { readonly eps: number };
  /**
   * `plain`: out = y. `gelu`: out = GELU(y), exact erf form. `residual`: out += y.
   * `embed`: an image's row t = m mod tokens is the class token where t = 0, out = (t = 0 ? cls : y) + pos[t].
   */
  readonly epilogue: 'plain' | 'gelu' | 'residual' | 'embed';
  /** Rows of one image, for `embed`; default: all. */
  readonly tokens?: number;
  /** Write partial moments of the output rows. */
  readonly stats: boolean;
}

/** Order of the bindings of this variant. */
export function gemmBindings(shape: GemmShape): string[] {
  return [
    'x',
    ...(shape.layerNorm ? ['moments', 'gamma', 'beta'] : []),
    'w',
    ...(shape.weights === 'int8' ? ['scale'] : []),
    'bias',
    ...(shape.epilogue === 'embed' ? ['cls', 'pos'] : []),
    'out',
    ...(shape.stats ? ['stats'] : []),
  ];
}

export function gemmWorkgroups(shape: GemmShape): number {
  return workgroupsFor(Math.ceil(shape.m / shape.rows) * Math.ceil(shape.n / TILE_COLUMNS));
}

const DECLARE: Record<string, string> = {
  x: 'var<storage, read> x: array<vec4f>;',
  moments: 'var<storage, read> moments: array<vec2f>;',
  gamma: 'var<storage, read> gamma: array<vec2u>;',
  beta: 'var<storage, read> beta: array<vec2u>;',
  scale: 'var<storage, read> scale: array<vec4f>;',
  bias: 'var<storage, read> bias: array<vec4u>;',
  cls: 'var<storage, read> cls: array<vec2u>;',
  pos: 'var<storage, read> pos: array<vec2u>;',
  out: 'var<storage, read_write> out: array<vec4f>;',
  stats: 'var<storage, read_write> stats: array<vec2f>;',
};

/** Per format: the type of eight columns, and what makes two vec4f out of such a `p`. */
const UNPACK: Record<WeightFormat, { readonly type: string; readonly lo: string; readonly hi: string }> = {
  f16: { type: 'vec4u', lo: 'halves(p.xy)', hi: 'halves(p.zw)' },
  int8: { type: 'vec2u', lo: 'bytes(p.x)', hi: 'bytes(p.y)' },
};

/** Sign-extends four bytes. By shifts, because unpack4xI8 is a language feature that not every browser has. */
const BYTES = /* wgsl */ `
fn bytes(v: u32) -> vec4f { return vec4f((vec4i(bitcast<i32>(v)) << vec4u(24u, 16u, 8u, 0u)) >> vec4u(24u)); }`;

/** erf by Abramowitz & Stegun 7.1.26: absolute error below 1.5e-7. */
const GELU = /* wgsl */ `
fn gelu(v: vec4f) -> vec4f {
  let z = abs(v) * 0.7071067811865476;
  let t = 1.0 / (1.0 + 0.3275911 * z);
  let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  let e = 1.0 - p * exp(-z * z);
  return 0.5 * v * (1.0 + select(-e, e, v >= vec4f(0.0)));
}`;

/** Mean and 1/std of ROWS rows from their partial moments. */
function momentsCode({ k, rows, layerNorm }: GemmShape): string {
  if (!layerNorm) return '';
  const tiles = Math.ceil(k / TILE_COLUMNS);
  const lastCount = k - (tiles - 1) * TILE_COLUMNS;
  const count =
    lastCount === TILE_COLUMNS ? `${TILE_COLUMNS}.0` : `select(${TILE_COLUMNS}.0, ${lastCount}.0, t == ${tiles - 1}u)`;
  return `
${unroll(rows, (r) => `  var mean${r} = 0.0;\n  var sq${r} = 0.0;`)}
  for (var t = 0u; t < ${tiles}u; t++) {
    let count = ${count};
${unroll(rows, (r) => `    mean${r} += count * moments[from${r} * ${tiles}u + t].x;`)}
  }
${unroll(rows, (r) => `  mean${r} *= ${1 / k};`)}
  for (var t = 0u; t < ${tiles}u; t++) {
    let count = ${count};
${unroll(rows, (r) => `    { let p = moments[from${r} * ${tiles}u + t]; let d = p.x - mean${r}; sq${r} += p.y + count * d * d; }`)}
  }
${unroll(rows, (r) => `  let scale${r} = inverseSqrt(sq${r} * ${1 / k} + ${layerNorm.eps});\n  let shift${r} = -mean${r} * scale${r};`)}`;
}

function storeCode({ m, n, rows, tokens = m, epilogue, stats, weights }: GemmShape): string {
  const columns4 = Math.ceil(n / 4);
  const tiles = Math.ceil(n / TILE_COLUMNS);
  // Only a last tile can be half empty, and only where n % 8 is 1…4.
  const guardHigh = n % TILE_COLUMNS !== 0 && n % TILE_COLUMNS <= 4;
  const onHigh = (code: string) => (guardHigh ? `if (col + 1u < ${columns4}u) { ${code} }` : code);
  const finish = (r: number, half: 'lo' | 'hi', at: string) => {
    if (epilogue === 'gelu') return `${half}${r} = gelu(${half}${r});`;
    if (epilogue === 'residual') return `${half}${r} += out[${at}];`;
    if (epilogue === 'embed') {
      const column = half === 'lo' ? 'col' : 'col + 1u';
      return `${half}${r} = select(${half}${r}, halves(cls[${column}]), token == 0u) + halves(pos[token * ${columns4}u + ${column}]);`;
    }
    return '';
  };
  const moments = (r: number) => {
    if (!stats) return '';
    const whole = `let mean = (dot(lo${r}, vec4f(1.0)) + dot(hi${r}, vec4f(1.0))) * 0.125;
      let dl = lo${r} - mean; let dh = hi${r} - mean;
      stats[row${r} * ${tiles}u + tile] = vec2f(mean, dot(dl, dl) + dot(dh, dh));`;
    if (!guardHigh) return whole;
    return `if (tile == ${tiles - 1}u) {
        let mean = dot(lo${r}, vec4f(0.25)); let dl = lo${r} - mean;
        stats[row${r} * ${tiles}u + tile] = vec2f(mean, dot(dl, dl));
      } else { ${whole} }`;
  };
  return unroll(
    rows,
    (r) => `  if (first + ${r}u < M) {
    let at = row${r} * ${columns4}u + col;
    ${epilogue === 'embed' ? `let token = row${r} % ${tokens}u;` : ''}
    ${weights === 'int8' ? `lo${r} *= scaleLo; hi${r} *= scaleHi;` : ''}
    lo${r} += biasLo; hi${r} += biasHi;
    ${finish(r, 'lo', 'at')}
    out[at] = lo${r};
    ${onHigh(`${finish(r, 'hi', 'at + 1u')} out[at + 1u] = hi${r};`)}
    ${moments(r)}
  }`,
  );
}

export function gemmKernel(shape: GemmShape): Kernel {
  const { m, k, n, rows, rowStep = 1, tokens = m, layerNorm, epilogue, stats, weights } = shape;
  const tiles = Math.ceil(n / TILE_COLUMNS);
  const bindings = gemmBindings(shape);
  const names = ['x', 'y', 'z', 'w'];
  const { type, lo, hi } = UNPACK[weights];
  const declare: Record<string, string> = { ...DECLARE, w: `var<storage, read> w: array<${type}>;` };
  const wgsl = /* wgsl */ `
const M = ${m}u;
${bindings.map((name, i) => `@group(0) @binding(${i}) ${declare[name]}`).join('\n')}
fn halves(v: vec2u) -> vec4f { return vec4f(unpack2x16float(v.x), unpack2x16float(v.y)); }
${weights === 'int8' ? BYTES : ''}
${epilogue === 'gelu' ? GELU : ''}

@compute @workgroup_size(${WORKGROUP_SIZE})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let tile = id.x % ${tiles}u;
  let first = (id.x / ${tiles}u) * ${rows}u;
  if (first >= M) { return; }
  let col = tile * 2u;
${unroll(rows, (r) => `  let row${r} = min(first + ${r}u, M - 1u);\n  let from${r} = row${r} * ${rowStep}u;`)}
${momentsCode(shape)}
${unroll(rows, (r) => `  var lo${r} = vec4f(0.0);\n  var hi${r} = vec4f(0.0);`)}
  var wi = tile;
  for (var k4 = 0u; k4 < ${k / 4}u; k4++) {
${layerNorm ? '    let g = halves(gamma[k4]);\n    let b = halves(beta[k4]);' : ''}
${unroll(rows, (r) => (layerNorm ? `    let a${r} = (x[from${r} * ${k / 4}u + k4] * scale${r} + shift${r}) * g + b;` : `    let a${r} = x[from${r} * ${k / 4}u + k4];`))}
${names
  .map(
    (c) => `    {
      let p = w[wi];
      let lo = ${lo};
      let hi = ${hi};
${unroll(rows, (r) => `      lo${r} += a${r}.${c} * lo;\n      hi${r} += a${r}.${c} * hi;`)}
      wi += ${tiles}u;
    }`,
  )
  .join('\n')}
  }
  let pb = bias[tile];
  let biasLo = halves(pb.xy);
  let biasHi = halves(pb.zw);
${weights === 'int8' ? '  let scaleLo = scale[col];\n  let scaleHi = scale[col + 1u];' : ''}
${storeCode(shape)}
}`;
  const key = `gemm ${m}x${k}x${n} rows=${rows} ${epilogue}${epilogue === 'embed' ? ` tokens=${tokens}` : ''}${rowStep === 1 ? '' : ` step=${rowStep}`}${layerNorm ? ` ln=${layerNorm.eps}` : ''}${stats ? ' stats' : ''}${weights === 'f16' ? '' : ` ${weights}`}`;
  return { key, wgsl };
}
