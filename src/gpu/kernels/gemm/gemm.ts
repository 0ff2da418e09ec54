/**
 * out[m, n] = epilogue(Σ_k prologue(x)[m, k] · W[k, n] + bias[n]): every linear layer of the network. f16 or int8 weights, f32 sums.
 *
 * One shape, several ways to share out the work (`TILINGS`): which one is fastest depends on device and size (gpu/tune.ts). They read
 * the same buffers and share prologue and epilogue.
 *
 * int8 weights have one scale a column of W, so the scale stays out of the sum: out = prologue(x) · values, times scale, plus
 * bias. The values are whole numbers that f32 holds exactly.
 *
 * LayerNorm costs no dispatch: a kernel that writes a block's activation also writes, per row and per 8 columns, the mean
 * and the sum of squared deviations of what it wrote (`stats`); the next kernel combines these partial moments (Chan et
 * al. 1979: no cancellation, unlike E[x²] − E[x]²) and normalises while it reads x.
 *
 * Buffers: x f32 [M, K]; W packed K-major, columns padded to 8: W[k, 8c … 8c+7] is sixteen bytes of f16 or eight of int8, a row of a
 * panel; scale f32 and bias f16, padded to 8 (W and bias are bound at these lengths, off which K and N are read); gamma, beta f16 [K];
 * stats vec2f (mean, M2) [M, ⌈N / 8⌉].
 */
import type { Kernel } from '../../kernel';
import { directMain } from './direct';
import { epilogueFunctions } from './epilogue';
import { declarations } from './prologue';
import { gemmKey, type GemmShape, TILINGS } from './shape';
import { splitMain } from './split';
import { tiledMain } from './tiled';
import { wideMain } from './wide';

export {
  gemmBindings,
  type GemmShape,
  gemmWorkgroups,
  type Halves,
  PANEL_COLUMNS,
  type Tiling,
  TILINGS,
  type WeightFormat,
} from './shape';

const MAIN = { direct: directMain, wide: wideMain, tiled: tiledMain, split: splitMain };

export function gemmKernel(shape: GemmShape): Kernel {
  const main = MAIN[TILINGS[shape.tiling].kind];
  return { key: gemmKey(shape), wgsl: `${declarations(shape)}${epilogueFunctions(shape)}${main(shape)}` };
}
