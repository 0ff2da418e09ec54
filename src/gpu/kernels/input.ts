/**
 * Frame → patches in one kernel: antialiased resize, centre crop, normalisation and the patch layout of the embedding.
 * The filter weights are the tables of `input/resample.ts`, so that GPU and CPU resample alike.
 *
 * Buffers: frame texture rgba8unorm; params u32 [3] (taps along x and y, which image); starts u32 [size, 2] (first source column and
 * row of output i); weightsX, weightsY f32 [size, taps]; patches f32 [images, 1 + (size/patch)², 3·patch²] (row 0 untouched).
 */
import type { InputSpec } from '../../bundle/manifest';
import { type Kernel, WORKGROUP_SIZE } from '../kernel';

/** Invocations of a workgroup: as many as make no more workgroups than every device takes in one dispatch. */
const threads = (size: number): number => (size * size > 65_535 * WORKGROUP_SIZE ? 256 : WORKGROUP_SIZE);

export function inputWorkgroups(size: number): number {
  return Math.ceil((size * size) / threads(size));
}

export function inputKernel({ size, mean, std }: InputSpec, patch: number): Kernel {
  const grid = size / patch;
  const area = patch * patch;
  const vec3 = (v: readonly number[]) => `vec3f(${v.join(', ')})`;
  const wgsl = /* wgsl */ `
@group(0) @binding(0) var frame: texture_2d<f32>;
@group(0) @binding(1) var<storage, read> params: array<u32, 3>;
@group(0) @binding(2) var<storage, read> starts: array<vec2u>;
@group(0) @binding(3) var<storage, read> weightsX: array<f32>;
@group(0) @binding(4) var<storage, read> weightsY: array<f32>;
@group(0) @binding(5) var<storage, read_write> patches: array<f32>;

@compute @workgroup_size(${threads(size)})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${size * size}u) { return; }
  let px = id.x % ${size}u;
  let py = id.x / ${size}u;
  let tapsX = params[0];
  let tapsY = params[1];
  let origin = vec2u(starts[px].x, starts[py].y);
  var sum = vec3f(0.0);
  for (var ty = 0u; ty < tapsY; ty++) {
    var line = vec3f(0.0);
    for (var tx = 0u; tx < tapsX; tx++) {
      line += weightsX[px * tapsX + tx] * textureLoad(frame, origin + vec2u(tx, ty), 0).rgb;
    }
    // As the CPU path: both passes stay in 0…1, which only matters for the overshoot of bicubic.
    sum += weightsY[py * tapsY + ty] * clamp(line, vec3f(0.0), vec3f(1.0));
  }
  let v = (clamp(sum, vec3f(0.0), vec3f(1.0)) - ${vec3(mean)}) * ${vec3(std.map((s) => 1 / s))};
  let token = params[2] * ${1 + grid * grid}u + 1u + (py / ${patch}u) * ${grid}u + px / ${patch}u;
  // Channel-major inside a patch, as the convolution weight [dim, 3, patch, patch] is.
  let at = token * ${3 * area}u + (py % ${patch}u) * ${patch}u + px % ${patch}u;
  patches[at] = v.x;
  patches[at + ${area}u] = v.y;
  patches[at + ${2 * area}u] = v.z;
}`;
  return { key: `input ${size}/${patch} mean=${mean.join()} std=${std.join()}`, wgsl };
}
