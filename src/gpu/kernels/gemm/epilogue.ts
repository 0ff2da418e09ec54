/** What all GEMM variants do with their sums: scale, bias, epilogue, partial moments, store. */
import { unroll } from '../../kernel';
import { type GemmShape, isHalfFull } from './shape';

/** erf by Abramowitz & Stegun 7.1.26: absolute error below 1.5e-7. */
const GELU = /* wgsl */ `
fn gelu(v: vec4f) -> vec4f {
  let z = abs(v) * 0.7071067811865476;
  let t = 1.0 / (1.0 + 0.3275911 * z);
  let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  let e = 1.0 - p * exp(-z * z);
  return 0.5 * v * (1.0 + select(-e, e, v >= vec4f(0.0)));
}`;

/** Functions that `storeCode` calls. */
export const epilogueFunctions = ({ epilogue }: GemmShape): string => (epilogue === 'gelu' ? GELU : '');

/** The sums of `rows` rows of a panel; `of` is what the names of another panel's end with. */
export const sumsCode = (rows: number, of = ''): string =>
  unroll(rows, (r) => `  var lo${r}${of} = vec4f(0.0);\n  var hi${r}${of} = vec4f(0.0);`);

/** Adds to the sums of `rows` rows what one k brings: component `c` of `a0`, `a1`, … times `lo` and `hi`. */
export const multiplyCode = (rows: number, c: string): string =>
  unroll(rows, (r) => `      lo${r} += a${r}.${c} * lo;\n      hi${r} += a${r}.${c} * hi;`);

/** Stores rows `first`, `first + 1`, … of `panel` from `lo0`, `hi0`, …; `row0`, … are the same rows, none beyond the last. */
export function storeCode({ m, n, epilogue, tokens = m, stats, weights }: GemmShape, rows: number): string {
  const guardHigh = isHalfFull(n);
  const onHigh = (code: string) => (guardHigh ? `if (col + 1u < COLUMNS4) { ${code} }` : code);
  const finish = (r: number, half: 'lo' | 'hi', at: string) => {
    if (epilogue === 'gelu') return `${half}${r} = gelu(${half}${r});`;
    if (epilogue === 'residual') return `${half}${r} += out[${at}];`;
    if (epilogue === 'embed') {
      const column = half === 'lo' ? 'col' : 'col + 1u';
      return `${half}${r} = select(${half}${r}, halves(cls[${column}]), token == 0u) + halves(pos[token * COLUMNS4 + ${column}]);`;
    }
    return '';
  };
  const moments = (r: number) => {
    if (!stats) return '';
    const whole = `let mean = (dot(lo${r}, vec4f(1.0)) + dot(hi${r}, vec4f(1.0))) * 0.125;
      let dl = lo${r} - mean; let dh = hi${r} - mean;
      stats[row${r} * PANELS + panel] = vec2f(mean, dot(dl, dl) + dot(dh, dh));`;
    if (!guardHigh) return whole;
    return `if (panel == PANELS - 1u) {
        let mean = dot(lo${r}, vec4f(0.25)); let dl = lo${r} - mean;
        stats[row${r} * PANELS + panel] = vec2f(mean, dot(dl, dl));
      } else { ${whole} }`;
  };
  return `
  let COLUMNS4 = 2u * PANELS${guardHigh ? ' - 1u' : ''};
  let col = panel * 2u;
  let biasLo = halves(bias[col]);
  let biasHi = halves(bias[col + 1u]);
${weights === 'int8' ? '  let scaleLo = scale[col];\n  let scaleHi = scale[col + 1u];' : ''}
${unroll(
  rows,
  (r) => `  if (first + ${r}u < M) {
    let at = row${r} * COLUMNS4 + col;
    ${epilogue === 'embed' ? `let token = row${r} % ${tokens}u;` : ''}
    ${weights === 'int8' ? `lo${r} *= scaleLo; hi${r} *= scaleHi;` : ''}
    lo${r} += biasLo; hi${r} += biasHi;
    ${finish(r, 'lo', 'at')}
    out[at] = lo${r};
    ${onHigh(`${finish(r, 'hi', 'at + 1u')} out[at + 1u] = hi${r};`)}
    ${moments(r)}
  }`,
)}`;
}
