/**
 * Direct and register-tiled: one invocation computes a few rows of one panel or two, reading x four values and W four times eight at a
 * time, without workgroup memory. More rows share what is read of W, more panels what is read of x.
 */
import { unroll } from '../../kernel';
import { storeCode, sumsCode } from './epilogue';
import { gainCode, loadPanel, momentsCode, xCode } from './prologue';
import { type GemmShape, gemmWorkgroupSize, panelsOf, TILINGS } from './shape';

export function directMain(shape: GemmShape): string {
  const { rows, panels: width } = TILINGS[shape.tiling];
  const panels = panelsOf(shape.n);
  const groups = Math.ceil(panels / width);
  const perPanel = (code: (p: number) => string): string => unroll(width, code);
  /** What the names of a panel's sums end with. */
  const of = (p: number): string => (p === 0 ? '' : `_${p}`);
  /** The last invocation of a row may have a panel less. */
  const guarded = (p: number, code: string): string =>
    p === 0 || panels % width === 0 ? `{ ${code} }` : `if (group + ${p}u < PANELS) { ${code} }`;
  /** The weights of four k and one panel, as the columns of two matrices. */
  const matrices = (p: number): string => `
${unroll(4, (i) => `    ${loadPanel(shape, `4u * k4 + ${i}u`, `group + ${p}u`, `w${i}${of(p)}`)}`)}
    let low${of(p)} = mat4x4f(${[0, 1, 2, 3].map((i) => `low${i}${of(p)}`).join(', ')});
    let high${of(p)} = mat4x4f(${[0, 1, 2, 3].map((i) => `hiw${i}${of(p)}`).join(', ')});`;
  return /* wgsl */ `
@compute @workgroup_size(${gemmWorkgroupSize(shape)})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let group = (id.x % ${groups}u) * ${width}u;
  let first = (id.x / ${groups}u) * ${rows}u;
  if (first >= M) { return; }
${unroll(rows, (r) => `  let row${r} = min(first + ${r}u, M - 1u);`)}
${momentsCode(shape, rows)}
${perPanel((p) => sumsCode(rows, of(p)))}
  for (var k4 = 0u; k4 < K4; k4++) {
    ${gainCode(shape, 'k4')}
${perPanel(matrices)}
${unroll(
  rows,
  (r) => `    {
      let a = ${xCode(shape, `row${r}`, 'k4', `scale${r}`, `shift${r}`)};
${perPanel((p) => `      lo${r}${of(p)} += low${of(p)} * a;\n      hi${r}${of(p)} += high${of(p)} * a;`)}
    }`,
)}
  }
${perPanel((p) => guarded(p, `let panel = group + ${p}u;${storeCode(shape, rows, of(p))}`))}
}`;
}
