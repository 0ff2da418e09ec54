/**
 * Through workgroup memory: a workgroup loads a tile of x, normalised, and a tile of W, unpacked, once for all its invocations; each
 * computes a few rows of one panel from them.
 */
import { unroll } from '../../kernel';
import { multiplyCode, storeCode, sumsCode } from './epilogue';
import { gainCode, loadPanel, momentsCode, sizesCode, xCode } from './prologue';
import { type GemmShape, gemmWorkgroupSize, hasWholeSteps, TILE_DEPTH4, TILE_PANELS, TILE_ROWS, TILINGS } from './shape';

export function tiledMain(shape: GemmShape): string {
  const { rows } = TILINGS[shape.tiling];
  const size = gemmWorkgroupSize(shape);
  const { layerNorm } = shape;
  const wholeSteps = hasWholeSteps(shape);
  const xValue = xCode(
    shape,
    `min(top + i / ${TILE_DEPTH4}u, M - 1u)`,
    'at',
    `norm[i / ${TILE_DEPTH4}u].x`,
    `norm[i / ${TILE_DEPTH4}u].y`,
  );
  // Panels beside the last one and k beyond the last one are read again: the former are not stored, the latter times zero.
  const wRow = wholeSteps ? `4u * k4 + i / ${TILE_PANELS}u` : `min(4u * k4 + i / ${TILE_PANELS}u, 4u * K4 - 1u)`;
  return /* wgsl */ `
var<workgroup> xTile: array<vec4f, ${rows * TILE_DEPTH4}>;
// Per k: the low halves of all panels, then the high ones, so that neighbours read neighbours.
var<workgroup> wTile: array<vec4f, ${4 * TILE_DEPTH4 * 2 * TILE_PANELS}>;
${layerNorm ? `var<workgroup> norm: array<vec2f, ${rows}>;` : ''}

@compute @workgroup_size(${size})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) invocation: u32) {${sizesCode(shape)}
  let ACROSS = (PANELS + ${TILE_PANELS - 1}u) / ${TILE_PANELS}u;
  let top = (group.x / ACROSS) * ${rows}u;
  let left = (group.x % ACROSS) * ${TILE_PANELS}u;
  let inPanel = invocation % ${TILE_PANELS}u;
  let inRow = (invocation / ${TILE_PANELS}u) * ${TILE_ROWS}u;
${
  layerNorm
    ? `  if (invocation < ${rows}u) {
    let row0 = min(top + invocation, M - 1u);
${momentsCode(shape, 1)}
    norm[invocation] = vec2f(scale0, shift0);
  }`
    : ''
}
${sumsCode(TILE_ROWS)}
  for (var k4 = 0u; k4 < K4; k4 += ${TILE_DEPTH4}u) {
    // The step before has been read, and the norm written.
    workgroupBarrier();
    for (var i = invocation; i < ${rows * TILE_DEPTH4}u; i += ${size}u) {
      let at = k4 + i % ${TILE_DEPTH4}u;
      ${wholeSteps ? '' : 'if (at >= K4) { xTile[i] = vec4f(0.0); continue; }'}
      ${gainCode(shape, 'at')}
      xTile[i] = ${xValue};
    }
    for (var i = invocation; i < ${4 * TILE_DEPTH4 * TILE_PANELS}u; i += ${size}u) {
      ${loadPanel(shape, wRow, `min(left + i % ${TILE_PANELS}u, PANELS - 1u)`)}
      let to = (i / ${TILE_PANELS}u) * ${2 * TILE_PANELS}u + i % ${TILE_PANELS}u;
      wTile[to] = lo;
      wTile[to + ${TILE_PANELS}u] = hi;
    }
    workgroupBarrier();
    for (var d = 0u; d < ${TILE_DEPTH4}u; d++) {
${unroll(TILE_ROWS, (r) => `      let a${r} = xTile[(inRow + ${r}u) * ${TILE_DEPTH4}u + d];`)}
      let base = d * ${4 * 2 * TILE_PANELS}u + inPanel;
${['x', 'y', 'z', 'w']
  .map(
    (c, i) => `      {
      let lo = wTile[base + ${i * 2 * TILE_PANELS}u];
      let hi = wTile[base + ${(i * 2 + 1) * TILE_PANELS}u];
${multiplyCode(TILE_ROWS, c)}
      }`,
  )
  .join('\n')}
    }
  }
  let panel = left + inPanel;
  if (panel >= PANELS) { return; }
  let first = top + inRow;
${unroll(TILE_ROWS, (r) => `  let row${r} = min(first + ${r}u, M - 1u);`)}
${storeCode(shape, TILE_ROWS)}
}`;
}
