/**
 * out[t, h] = softmax(q·kᵀ / √d) · v for every head, with a running maximum and sum (online softmax, Milakov &
 * Gimelshein 2018): no [tokens, tokens] tensor is written. One invocation holds QUERIES rows of one head in registers.
 *
 * Buffers: qkv f32 [images·tokens, 3·dim] (q, k, v, each head-major); out f32 [images·tokens, dim].
 */
import { type Kernel, unroll, WORKGROUP_SIZE, workgroupsFor } from '../kernel';

export interface AttentionShape {
  /** Each looks at its own tokens only. */
  readonly images: number;
  readonly tokens: number;
  readonly heads: number;
  /** Multiple of 4. */
  readonly headDim: number;
  /** Query rows of one invocation. */
  readonly queries: number;
}

/** Keys handled between two updates of the running maximum. */
const KEY_CHUNK = 4;

export function attentionWorkgroups({ images, tokens, heads, queries }: AttentionShape): number {
  return workgroupsFor(images * heads * Math.ceil(tokens / queries));
}

export function attentionKernel(shape: AttentionShape): Kernel {
  const { images, tokens, heads, headDim, queries } = shape;
  const d4 = headDim / 4;
  const dim4 = heads * d4;
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
      `      { let kk = qkv[(base + j + ${c}u) * ${3 * dim4}u + ${dim4 + i}u + head];\n${perQuery((q) => `        s${q}_${c} += dot(q${q}_${i}, kk);`)} }`,
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
      `      { let vv = qkv[(base + j + ${c}u) * ${3 * dim4}u + ${2 * dim4 + i}u + head];\n${perQuery((q) => `        o${q}_${i} += s${q}_${c} * vv;`)} }`,
  ),
)}`;
  const whole = Math.floor(tokens / KEY_CHUNK) * KEY_CHUNK;
  const wgsl = /* wgsl */ `
@group(0) @binding(0) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(${WORKGROUP_SIZE})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${images * heads * blocks}u) { return; }
  let base = (id.x / ${heads * blocks}u) * ${tokens}u;
  let head = (id.x / ${blocks}u % ${heads}u) * ${d4}u;
  let first = (id.x % ${blocks}u) * ${queries}u;
${perQuery((q) => `  let t${q} = min(first + ${q}u, ${tokens - 1}u);\n  var top${q} = -3.0e38;\n  var sum${q} = 0.0;`)}
${perQuery((q) => perPart((i) => `  let q${q}_${i} = qkv[(base + t${q}) * ${3 * dim4}u + head + ${i}u] * ${1 / Math.sqrt(headDim)};\n  var o${q}_${i} = vec4f(0.0);`))}
  for (var j = 0u; j < ${whole}u; j += ${KEY_CHUNK}u) {${step(KEY_CHUNK)}
  }
  for (var j = ${whole}u; j < ${tokens}u; j++) {${step(1)}
  }
${perQuery((q) => `  if (first + ${q}u < ${tokens}u) {\n    let f = 1.0 / sum${q};\n${perPart((i) => `    out[(base + t${q}) * ${dim4}u + head + ${i}u] = o${q}_${i} * f;`)}\n  }`)}
}`;
  return { key: `attention ${images}x${tokens}x${heads}x${headDim} queries=${queries}`, wgsl };
}
