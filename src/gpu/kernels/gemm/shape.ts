/** What a GEMM is specialised for, and what follows for its bindings, its dispatch and its key. */
import { FEW_THREADS, WORKGROUP_SIZE } from '../../kernel';

/** Columns of a panel: W is packed panel by panel, and an invocation computes whole panels. */
export const PANEL_COLUMNS = 8;

export type WeightFormat = 'f16' | 'int8';

/**
 * How the outputs are shared out.
 *
 * `direct`: an invocation computes `rows` rows of a panel from registers alone.
 * `wide`: `rows` rows of two panels, in small workgroups, from little code. For adapters that are a processor.
 * `tiled`: a workgroup computes `rows` rows of eight panels; what it reads is unpacked and normalised once, into workgroup memory.
 * `split`: a subgroup computes one row of one panel, each lane a part of the sum. For one row; wants the feature `subgroups`.
 */
export const TILINGS = {
  direct1: { kind: 'direct', rows: 1, panels: 1 },
  direct2: { kind: 'direct', rows: 2, panels: 1 },
  direct4: { kind: 'direct', rows: 4, panels: 1 },
  direct8: { kind: 'direct', rows: 8, panels: 1 },
  wide8: { kind: 'wide', rows: 8, panels: 2 },
  wide10: { kind: 'wide', rows: 10, panels: 2 },
  wide11: { kind: 'wide', rows: 11, panels: 2 },
  wide12: { kind: 'wide', rows: 12, panels: 2 },
  wide13: { kind: 'wide', rows: 13, panels: 2 },
  wide14: { kind: 'wide', rows: 14, panels: 2 },
  wide15: { kind: 'wide', rows: 15, panels: 2 },
  wide16: { kind: 'wide', rows: 16, panels: 2 },
  tiled32: { kind: 'tiled', rows: 32, panels: 8 },
  tiled64: { kind: 'tiled', rows: 64, panels: 8 },
  split: { kind: 'split', rows: 1, panels: 1 },
} as const;
export type Tiling = keyof typeof TILINGS;

/**
 * How half floats are read. `unpacked`: from words, by the shading language's own function. `native`: as such; wants the feature
 * `shader-f16`.
 */
export type Halves = 'unpacked' | 'native';

export interface GemmShape {
  readonly weights: WeightFormat;
  /** Rows, contraction length (multiple of 4) and columns (multiple of 4 when stats are written). */
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly tiling: Tiling;
  /** Output row m is computed from row m·rowStep of x; default 1. */
  readonly rowStep?: number;
  /** How half floats are read; default: unpacked. */
  readonly halves?: Halves;
  /** LayerNorm of x on the way in. */
  readonly layerNorm?: { readonly eps: number };
  /**
   * `plain`: out = y. `gelu`: out = GELU(y), exact erf form. `residual`: out += y.
   * `embed`: an image's row t = m mod tokens is the class token where t = 0, out = (t = 0 ? cls : y) + pos[t].
   */
  readonly epilogue: 'plain' | 'gelu' | 'residual' | 'embed';
  /** Rows of one image, for `embed`; default: all. */
  readonly tokens?: number;
  /** Write partial moments of the output rows. */
  readonly stats: boolean;
}

/** Panels of a tiled workgroup, side by side. */
export const TILE_PANELS = 8;
/** Values of k that are loaded at a time, by fours: tiles of 64 × 16 and 16 × 64 take 8 kB of the 16 that every device has. */
export const TILE_DEPTH4 = 4;
/** Rows that an invocation of a tiled workgroup computes. */
export const TILE_ROWS = 4;
/** Panels that the subgroups of a split workgroup share: with 32 lanes each computes two, with fewer lanes more work at once. */
export const SPLIT_PANELS = 4;

export const panelsOf = (columns: number): number => Math.ceil(columns / PANEL_COLUMNS);

/** Whether only the first four columns of the last panel are there. Only a last panel can be, where columns % 8 is 1…4. */
export const isHalfFull = (columns: number): boolean =>
  columns % PANEL_COLUMNS !== 0 && columns % PANEL_COLUMNS <= PANEL_COLUMNS / 2;

/** Order of the bindings of this variant. */
export function gemmBindings(shape: GemmShape): string[] {
  return [
    'x',
    ...(shape.layerNorm ? ['moments', 'gamma', 'beta'] : []),
    'w',
    ...(shape.weights === 'int8' ? ['scale'] : []),
    'bias',
    ...(shape.epilogue === 'embed' ? ['cls', 'pos'] : []),
    'out',
    ...(shape.stats ? ['stats'] : []),
  ];
}

/** Invocations of one workgroup. */
export function gemmWorkgroupSize({ tiling }: GemmShape): number {
  const { kind, rows } = TILINGS[tiling];
  if (kind === 'wide') return FEW_THREADS;
  return kind === 'tiled' ? (rows / TILE_ROWS) * TILE_PANELS : WORKGROUP_SIZE;
}

export function gemmWorkgroups(shape: GemmShape): number {
  const { kind, rows, panels: width } = TILINGS[shape.tiling];
  const down = Math.ceil(shape.m / rows);
  const panels = panelsOf(shape.n);
  if (kind === 'split') return Math.ceil(panels / SPLIT_PANELS);
  if (kind === 'tiled') return down * Math.ceil(panels / width);
  return Math.ceil((down * Math.ceil(panels / width)) / gemmWorkgroupSize(shape));
}

/** Whether the tiles in workgroup memory are full to the last; the other tilings have none. */
export const hasWholeSteps = ({ k, tiling }: GemmShape): boolean =>
  TILINGS[tiling].kind !== 'tiled' || k % (4 * TILE_DEPTH4) === 0;

/** What the text depends on: of K and N only where they end. */
export function gemmKey(shape: GemmShape): string {
  const { m, k, n, tiling, rowStep = 1, tokens = m, halves = 'unpacked', layerNorm, epilogue, stats, weights } = shape;
  const norm = layerNorm ? ` ln=${layerNorm.eps}` : '';
  const extras = `${stats ? ' stats' : ''}${weights === 'f16' ? '' : ` ${weights}`}${halves === 'unpacked' ? '' : ` ${halves}`}`;
  const rows = `${rowStep === 1 ? '' : ` step=${rowStep}`}${epilogue === 'embed' ? ` tokens=${tokens}` : ''}`;
  const ends = `${isHalfFull(n) ? ' half-n' : ''}${layerNorm && isHalfFull(k) ? ' half-k' : ''}${hasWholeSteps(shape) ? '' : ' rest'}`;
  return `gemm ${m} ${tiling} ${epilogue}${rows}${norm}${extras}${ends}`;
}
