/**
 * For adapters that are a processor: one invocation computes many rows of two panels, which reads W seldom and x for two panels at once.
 * Small workgroups, because each is a core's. Such an adapter compiles slowly: what follows the sums stands once, in a loop.
 */
import { unroll } from '../../kernel';
import { storeCode, sumsCode } from './epilogue';
import { gainCode, matricesCode, momentsCode, sizesCode, xCode } from './prologue';
import { type GemmShape, gemmWorkgroupSize, TILINGS } from './shape';

export function wideMain(shape: GemmShape): string {
  const { rows, panels: width } = TILINGS[shape.tiling];
  const perPanel = (code: (p: number) => string): string => unroll(width, code);
  const halves = (name: 'lo' | 'hi'): string =>
    Array.from({ length: width * rows }, (_, i) => `${name}${i % rows}_${Math.floor(i / rows)}`).join(', ');
  return /* wgsl */ `
@compute @workgroup_size(${gemmWorkgroupSize(shape)})
fn main(@builtin(global_invocation_id) id: vec3u) {${sizesCode(shape)}
  let GROUPS = (PANELS + ${width - 1}u) / ${width}u;
  let group = (id.x % GROUPS) * ${width}u;
  let top = (id.x / GROUPS) * ${rows}u;
  if (top >= M) { return; }
${unroll(rows, (r) => `  let row${r} = min(top + ${r}u, M - 1u);`)}
${momentsCode(shape, rows)}
${perPanel((p) => sumsCode(rows, `_${p}`))}
  for (var k4 = 0u; k4 < K4; k4++) {
    ${gainCode(shape, 'k4')}
${perPanel((p) => matricesCode(shape, `group + ${p}u`, `_${p}`))}
${unroll(
  rows,
  (r) => `    {
      let a = ${xCode(shape, `row${r}`, 'k4', `scale${r}`, `shift${r}`)};
${perPanel((p) => `      lo${r}_${p} += low_${p} * a;\n      hi${r}_${p} += high_${p} * a;`)}
    }`,
)}
  }
  var lows = array<vec4f, ${width * rows}>(${halves('lo')});
  var highs = array<vec4f, ${width * rows}>(${halves('hi')});
  for (var i = 0u; i < ${width * rows}u; i++) {
    let panel = group + i / ${rows}u;
    // The last invocation of a row may have a panel less.
    if (panel >= PANELS) { break; }
    let first = top + i % ${rows}u;
    let row0 = first;
    var lo0 = lows[i];
    var hi0 = highs[i];
${storeCode(shape, 1)}
  }
}`;
}
