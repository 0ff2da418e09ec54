/**
 * The best K of `classes` logits with their softmax probability, so that a frame reads back bytes and
 * not tensors. Ties go to the lower index.
 *
 * Buffers: logits f32 [images, classes], rows padded to a multiple of 4; out u32 [images, K, 2]: class index, probability as f32
 * bits. One workgroup an image.
 */
import { type Kernel, WORKGROUP_SIZE } from '../kernel';

export interface TopKShape {
  readonly classes: number;
  readonly k: number;
}

export function topKKernel({ classes, k }: TopKShape): Kernel {
  const padded = Math.ceil(classes / 4) * 4;
  const wgsl = /* wgsl */ `
const T = ${WORKGROUP_SIZE}u;
@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<vec2u>;
var<workgroup> best: array<f32, T>;
var<workgroup> slot: array<u32, T>;

// A logit counts in round r only if it comes after the last winner in (value descending, index ascending) order.
fn after(v: f32, i: u32, lastV: f32, lastI: u32) -> bool { return v < lastV || (v == lastV && i > lastI); }

@compute @workgroup_size(T)
fn main(@builtin(local_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u) {
  let t = id.x;
  let base = group.x * ${padded}u;
  var lastV = 3.4e38;
  var lastI = 0u;
  var top = 0.0;
  var total = 1.0;
  for (var r = 0u; r < ${k}u; r++) {
    var v = -3.4e38;
    var at = 0xffffffffu;
    for (var i = t; i < ${classes}u; i += T) {
      let l = logits[base + i];
      if ((r == 0u || after(l, i, lastV, lastI)) && (l > v || at == 0xffffffffu)) { v = l; at = i; }
    }
    best[t] = v;
    slot[t] = at;
    workgroupBarrier();
    for (var s = T / 2u; s > 0u; s /= 2u) {
      if (t < s) {
        let ov = best[t + s];
        let oi = slot[t + s];
        if (ov > best[t] || (ov == best[t] && oi < slot[t])) { best[t] = ov; slot[t] = oi; }
      }
      workgroupBarrier();
    }
    lastV = best[0];
    lastI = slot[0];
    workgroupBarrier();
    if (r == 0u) {
      top = lastV;
      var sum = 0.0;
      for (var i = t; i < ${classes}u; i += T) { sum += exp(logits[base + i] - top); }
      best[t] = sum;
      workgroupBarrier();
      for (var s = T / 2u; s > 0u; s /= 2u) {
        if (t < s) { best[t] += best[t + s]; }
        workgroupBarrier();
      }
      total = best[0];
      workgroupBarrier();
    }
    if (t == 0u) { out[group.x * ${k}u + r] = vec2u(lastI, bitcast<u32>(exp(lastV - top) / total)); }
  }
}`;
  return { key: `top-k ${classes} k=${k}`, wgsl };
}
