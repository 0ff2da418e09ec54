/**
 * One row, its sums split over the lanes of a subgroup. One row alone has few panels, so that direct invocations would be few and long.
 *
 * Nothing is assumed of subgroups but that they are there: lanes are counted among those that run, and since no numbering of a
 * workgroup's subgroups is to be relied upon, they take panels from a counter. Which one takes which changes no sum.
 */
import { multiplyCode, storeCode, sumsCode } from './epilogue';
import { gainCode, loadPanel, momentsCode, sizesCode, xCode } from './prologue';
import { type GemmShape, gemmWorkgroupSize, SPLIT_PANELS } from './shape';

export function splitMain(shape: GemmShape): string {
  const lanes = { first: 'lane', step: 'lanes', sum: (partial: string) => `subgroupAdd(${partial})` };
  return /* wgsl */ `
var<workgroup> taken: atomic<u32>;

@compute @workgroup_size(${gemmWorkgroupSize(shape)})
fn main(@builtin(workgroup_id) group: vec3u) {${sizesCode(shape)}
  let lanes = subgroupAdd(1u);
  let lane = subgroupExclusiveAdd(1u);
  const first = 0u;
  const row0 = 0u;
${momentsCode(shape, 1, lanes)}
  loop {
    var turn = 0u;
    if (subgroupElect()) { turn = atomicAdd(&taken, 1u); }
    turn = subgroupBroadcastFirst(turn);
    let panel = group.x * ${SPLIT_PANELS}u + turn;
    if (turn >= ${SPLIT_PANELS}u || panel >= PANELS) { break; }
${sumsCode(1)}
    for (var k4 = lane; k4 < K4; k4 += lanes) {
      ${gainCode(shape, 'k4')}
      let a0 = ${xCode(shape, 'row0', 'k4', 'scale0', 'shift0')};
${['x', 'y', 'z', 'w'].map((c, i) => `      {\n      ${loadPanel(shape, `4u * k4 + ${i}u`, 'panel')}\n${multiplyCode(1, c)}\n      }`).join('\n')}
    }
    lo0 = subgroupAdd(lo0);
    hi0 = subgroupAdd(hi0);
    if (subgroupElect()) {
${storeCode(shape, 1)}
    }
  }
}`;
}
