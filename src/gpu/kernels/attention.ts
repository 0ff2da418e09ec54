/**
 * out[t, h] = softmax(q·kᵀ / √d) · v for every head, with a running maximum and sum (online softmax, Milakov &
 * Gimelshein 2018): no [tokens, tokens] tensor is written. One invocation holds `queries` rows of one head in registers, or `parts`
 * invocations of a workgroup share the keys of one row and put their maxima and sums together through workgroup memory.
 *
 * Buffers: qkv f32 [images·tokens, 3·dim] (q, k, v, each head-major); out f32 [images·tokens, dim], from whose length dim is read, so
 * that all widths share a pipeline.
 */
import { FEW_THREADS, type Kernel, unroll, WORKGROUP_SIZE } from '../kernel';

export interface AttentionShape {
  /** Each looks at its own tokens only. */
  readonly images: number;
  readonly tokens: number;
  readonly heads: number;
  /** Multiple of 4. */
  readonly headDim: number;
  /** Query rows of one invocation; 1 where there are parts. */
  readonly queries: number;
  /** Invocations of a query row, a divisor of the workgroup's size; their memory is `attentionMemory`. */
  readonly parts: number;
}

/** How a device shares out the work of an attention. */
export type AttentionSharing = Pick<AttentionShape, 'queries' | 'parts'>;

/**
 * Keys handled between two updates of the running maximum, and invocations of a workgroup. Several query rows are enough work without
 * more keys, which would be more registers than a processor has, and more code to compile.
 */
const sizesOf = ({ queries }: AttentionSharing) =>
  queries === 1 ? { keys: 4, threads: WORKGROUP_SIZE } : { keys: 1, threads: FEW_THREADS };

export function attentionWorkgroups(shape: AttentionShape): number {
  const { images, tokens, heads, queries, parts } = shape;
  return Math.ceil((images * heads * Math.ceil(tokens / queries) * parts) / sizesOf(shape).threads);
}

/** Bytes of workgroup memory: what all parts but the first one hand over. */
export const attentionMemory = ({ headDim, parts }: Pick<AttentionShape, 'headDim' | 'parts'>): number =>
  (WORKGROUP_SIZE - WORKGROUP_SIZE / parts) * (headDim + 2) * 4;

export function attentionKernel(shape: AttentionShape): Kernel {
  const { images, tokens, headDim, queries, parts } = shape;
  const { keys, threads } = sizesOf(shape);
  const d4 = headDim / 4;
  const blocks = Math.ceil(tokens / queries);
  const perQuery = (line: (q: number) => string) => unroll(queries, line);
  const perPart = (line: (i: number) => string) => unroll(d4, line);
  /** One step over `width` keys starting at `j`. */
  const step = (width: number) => /* wgsl */ `
${unroll(width, (c) => perQuery((q) => `      var s${q}_${c} = 0.0;`))}
${perPart((i) =>
  unroll(
    width,
    (c) =>
      `      { let kk = qkv[(base + j + ${c}u) * STRIDE + DIM4 + ${i}u + head];\n${perQuery((q) => `        s${q}_${c} += dot(q${q}_${i}, kk);`)} }`,
  ),
)}
${perQuery((q) => {
  const names = Array.from({ length: width }, (_, c) => `s${q}_${c}`);
  const top = names.reduce((a, b) => `max(${a}, ${b})`);
  return `      let m${q} = max(top${q}, ${top});
      let f${q} = exp(top${q} - m${q});
      top${q} = m${q};
      sum${q} *= f${q};
${perPart((i) => `      o${q}_${i} *= f${q};`)}
${unroll(width, (c) => `      s${q}_${c} = exp(s${q}_${c} - m${q});\n      sum${q} += s${q}_${c};`)}`;
})}
${perPart((i) =>
  unroll(
    width,
    (c) =>
      `      { let vv = qkv[(base + j + ${c}u) * STRIDE + 2u * DIM4 + ${i}u + head];\n${perQuery((q) => `        o${q}_${i} += s${q}_${c} * vv;`)} }`,
  ),
)}`;
  const whole = Math.floor(tokens / keys) * keys;
  const rest =
    whole === tokens
      ? ''
      : `  for (var j = ${parts > 1 ? `select(${whole}u, ${tokens}u, part > 0u)` : `${whole}u`}; j < ${tokens}u; j++) {${step(1)}\n  }\n`;
  const rows = WORKGROUP_SIZE / parts;
  const others = WORKGROUP_SIZE - rows;
  const store = perQuery(
    (q) =>
      `  if (first + ${q}u < ${tokens}u) {\n    let f = 1.0 / sum${q};\n${perPart((i) => `    out[(base + t${q}) * DIM4 + head + ${i}u] = o${q}_${i} * f;`)}\n  }`,
  );
  const merge = /* wgsl */ `
  if (part > 0u) {
    let slot = invocation - ${rows}u;
    partSums[slot] = vec2f(top0, sum0);
${perPart((i) => `    partRows[${i * others}u + slot] = o0_${i};`)}
  }
  workgroupBarrier();
  if (part > 0u || wanted >= TOTAL) { return; }
  var top = top0;
  for (var slot = row; slot < ${others}u; slot += ${rows}u) { top = max(top, partSums[slot].x); }
  let own = exp(top0 - top);
  sum0 *= own;
${perPart((i) => `  o0_${i} *= own;`)}
  for (var slot = row; slot < ${others}u; slot += ${rows}u) {
    let f = exp(partSums[slot].x - top);
    sum0 += partSums[slot].y * f;
${perPart((i) => `    o0_${i} += partRows[${i * others}u + slot] * f;`)}
  }
`;
  // Neighbours have the same part, so that they read the same keys. All of them come to the barrier.
  const split = /* wgsl */ `
  let row = invocation % ${rows}u;
  let part = invocation / ${rows}u;
  let wanted = group.x * ${rows}u + row;
  let at = min(wanted, TOTAL - 1u);`;
  const single = /* wgsl */ `
  let at = group.x * ${threads}u + invocation;
  if (at >= TOTAL) { return; }`;
  const wgsl = /* wgsl */ `
@group(0) @binding(0) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;
${parts > 1 ? `var<workgroup> partSums: array<vec2f, ${others}>;\nvar<workgroup> partRows: array<vec4f, ${others * d4}>;` : ''}

@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) invocation: u32) {
  let DIM4 = arrayLength(&out) / ${images * tokens}u;
  let STRIDE = 3u * DIM4;
  let HEADS = DIM4 / ${d4}u;
  let TOTAL = ${images * blocks}u * HEADS;
${parts > 1 ? split : single}
  let base = (at / (${blocks}u * HEADS)) * ${tokens}u;
  let head = (at / ${blocks}u % HEADS) * ${d4}u;
  let first = (at % ${blocks}u) * ${queries}u;
${perQuery((q) => `  let t${q} = min(first + ${q}u, ${tokens - 1}u);\n  var top${q} = -3.0e38;\n  var sum${q} = 0.0;`)}
${perQuery((q) => perPart((i) => `  let q${q}_${i} = qkv[(base + t${q}) * STRIDE + head + ${i}u] * ${1 / Math.sqrt(headDim)};\n  var o${q}_${i} = vec4f(0.0);`))}
  for (var j = ${parts > 1 ? `part * ${keys}u` : '0u'}; j < ${whole}u; j += ${keys * parts}u) {${step(keys)}
  }
${rest}${parts > 1 ? merge : ''}${store}
}`;
  return { key: `attention ${images}x${tokens} head=${headDim} queries=${queries} parts=${parts}`, wgsl };
}
