/**
 * Direct and register-tiled: one invocation computes a few rows of one panel, reading x four values and W four times eight at a time,
 * without workgroup memory. More rows share what is read of W.
 */
import { unroll } from '../../kernel';
import { storeCode, sumsCode } from './epilogue';
import { gainCode, matricesCode, momentsCode, sizesCode, xCode } from './prologue';
import { type GemmShape, gemmWorkgroupSize, TILINGS } from './shape';

export function directMain(shape: GemmShape): string {
  const { rows } = TILINGS[shape.tiling];
  return /* wgsl */ `
@compute @workgroup_size(${gemmWorkgroupSize(shape)})
fn main(@builtin(global_invocation_id) id: vec3u) {${sizesCode(shape)}
  let panel = id.x % PANELS;
  let first = (id.x / PANELS) * ${rows}u;
  if (first >= M) { return; }
${unroll(rows, (r) => `  let row${r} = min(first + ${r}u, M - 1u);`)}
${momentsCode(shape, rows)}
${sumsCode(rows)}
  for (var k4 = 0u; k4 < K4; k4++) {
    ${gainCode(shape, 'k4')}
${matricesCode(shape, 'panel')}
${unroll(
  rows,
  (r) => `    {
      let a = ${xCode(shape, `row${r}`, 'k4', `scale${r}`, `shift${r}`)};
      lo${r} += low * a;
      hi${r} += high * a;
    }`,
)}
  }
${storeCode(shape, rows)}
}`;
}
