/** What all GEMM variants read alike: declarations, packed weights, LayerNorm. */
import { unroll } from '../../kernel';
import { type GemmShape, gemmBindings, type Halves, isHalfFull, TILINGS } from './shape';

const DECLARE: Record<string, string> = {
  x: 'var<storage, read> x: array<vec4f>;',
  moments: 'var<storage, read> moments: array<vec2f>;',
  gamma: 'var<storage, read> gamma: array<half4>;',
  beta: 'var<storage, read> beta: array<half4>;',
  scale: 'var<storage, read> scale: array<vec4f>;',
  bias: 'var<storage, read> bias: array<half4>;',
  cls: 'var<storage, read> cls: array<half4>;',
  pos: 'var<storage, read> pos: array<half4>;',
  out: 'var<storage, read_write> out: array<vec4f>;',
  stats: 'var<storage, read_write> stats: array<vec2f>;',
};

/** The same eight bytes either way: four half floats. */
const HALVES: Record<Halves, string> = {
  unpacked: /* wgsl */ `
alias half4 = vec2u;
fn halves(v: half4) -> vec4f { return vec4f(unpack2x16float(v.x), unpack2x16float(v.y)); }`,
  native: /* wgsl */ `
alias half4 = vec4<f16>;
fn halves(v: half4) -> vec4f { return vec4f(v); }`,
};

/** Sign-extends four bytes. By shifts, because unpack4xI8 is a language feature that not every browser has. */
const BYTES = /* wgsl */ `
fn bytes(v: u32) -> vec4f { return vec4f((vec4i(bitcast<i32>(v)) << vec4u(24u, 16u, 8u, 0u)) >> vec4u(24u)); }`;

/** Per form of the weights: the element type of W, and code that makes `lo` and `hi` of the panel row at index `at`, with names that end with `of`. */
function weightsCode({ weights, halves }: GemmShape): { readonly type: string; load(at: string, of: string): string } {
  if (weights === 'int8') {
    return {
      type: 'vec2u',
      load: (at, of) => `let p${of} = w[${at}]; let lo${of} = bytes(p${of}.x); let hi${of} = bytes(p${of}.y);`,
    };
  }
  if (halves === 'native') {
    return {
      type: 'half4',
      load: (at, of) => `let p${of} = 2u * (${at}); let lo${of} = halves(w[p${of}]); let hi${of} = halves(w[p${of} + 1u]);`,
    };
  }
  return {
    type: 'vec4u',
    load: (at, of) => `let p${of} = w[${at}]; let lo${of} = halves(p${of}.xy); let hi${of} = halves(p${of}.zw);`,
  };
}

/** All lanes of a subgroup go the same way, but because they read the same from it, which the analysis does not follow. */
const SUBGROUPS = /* wgsl */ `
enable subgroups;
diagnostic(off, subgroup_uniformity);`;

/** Everything before the entry point. */
export function declarations(shape: GemmShape): string {
  const declare: Record<string, string> = { ...DECLARE, w: `var<storage, read> w: array<${weightsCode(shape).type}>;` };
  return `${shape.halves === 'native' ? 'enable f16;\n' : ''}${TILINGS[shape.tiling].kind === 'split' ? SUBGROUPS : ''}
const M = ${shape.m}u;
${HALVES[shape.halves ?? 'unpacked']}
${shape.weights === 'int8' ? BYTES : ''}
${gemmBindings(shape)
  .map((name, i) => `@group(0) @binding(${i}) ${declare[name]}`)
  .join('\n')}`;
}

/**
 * What a main begins with: the panels of W and a quarter of K, read off the lengths of what is bound, so that layers of all widths share
 * a pipeline.
 */
export const sizesCode = ({ weights, halves }: GemmShape): string => `
  let PANELS = arrayLength(&bias) / 2u;
  let K4 = arrayLength(&w) / (${weights === 'f16' && halves === 'native' ? 8 : 4}u * PANELS);`;

/** `lo` and `hi`, the eight weights of one k and one panel; `of` is what their names end with. */
export const loadPanel = (shape: GemmShape, k: string, panel: string, of = ''): string =>
  weightsCode(shape).load(`(${k}) * PANELS + ${panel}`, of);

/** The weights of four k (those of `k4`) and one panel, as the columns of two matrices, `low` and `high`; `of` is what their names end with. */
export const matricesCode = (shape: GemmShape, panel: string, of = ''): string => `
${unroll(4, (i) => `    ${loadPanel(shape, `4u * k4 + ${i}u`, panel, `w${i}${of}`)}`)}
    let low${of} = mat4x4f(${[0, 1, 2, 3].map((i) => `low${i}${of}`).join(', ')});
    let high${of} = mat4x4f(${[0, 1, 2, 3].map((i) => `hiw${i}${of}`).join(', ')});`;

/** Four values of x: `x[row · rowStep, 4·k4 …]`, normalised with this scale and shift where the shape has a LayerNorm. */
export function xCode({ layerNorm, rowStep = 1 }: GemmShape, row: string, k4: string, scale: string, shift: string): string {
  const value = `x[${row} * ${rowStep}u * K4 + ${k4}]`;
  return layerNorm ? `(${value} * ${scale} + ${shift}) * g + b` : value;
}

/** `g` and `b` of LayerNorm at `k4`. */
export const gainCode = ({ layerNorm }: GemmShape, k4: string): string =>
  layerNorm ? `let g = halves(gamma[${k4}]); let b = halves(beta[${k4}]);` : '';

/** Who combines the partial moments of a row: one invocation, or the lanes of a subgroup together. */
export interface MomentsReader {
  readonly first: string;
  readonly step: string;
  readonly sum: (partial: string) => string;
}
const ALONE: MomentsReader = { first: '0u', step: '1u', sum: (partial) => partial };

/** LayerNorm of `row0`, `row1`, … from their partial moments: `scale0`, `shift0`, …, so that x̂ = x · scale + shift. */
export function momentsCode({ k, rowStep = 1, layerNorm }: GemmShape, rows: number, { first, step, sum } = ALONE): string {
  if (!layerNorm) return '';
  const count = isHalfFull(k) ? 'select(8.0, 4.0, t == PARTS - 1u)' : '8.0';
  const loop = `for (var t = ${first}; t < PARTS; t += ${step}) {\n    let count = ${count};`;
  const partial = (r: number) => `moments[row${r} * ${rowStep}u * PARTS + t]`;
  return `
  let PARTS = (K4 + 1u) / 2u;
  let share = 0.25 / f32(K4);
${unroll(rows, (r) => `  var mean${r} = 0.0;\n  var sq${r} = 0.0;`)}
  ${loop}
${unroll(rows, (r) => `    mean${r} += count * ${partial(r)}.x;`)}
  }
${unroll(rows, (r) => `  mean${r} = ${sum(`mean${r}`)} * share;`)}
  ${loop}
${unroll(rows, (r) => `    { let p = ${partial(r)}; let d = p.x - mean${r}; sq${r} += p.y + count * d * d; }`)}
  }
${unroll(rows, (r) => `  let scale${r} = inverseSqrt(${sum(`sq${r}`)} * share + ${layerNorm.eps});\n  let shift${r} = -mean${r} * scale${r};`)}`;
}
