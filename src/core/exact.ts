/**
 * exp and log that give the same bits in every engine. `Math.exp` and `Math.log` may differ in the last digit between browsers
 * (and between a browser and Node), which a replay must not. The method is fdlibm's; only + − × ÷ are used, which IEEE 754 fixes.
 */

const LN2_HIGH = 6.9314718036912381649e-1;
const LN2_LOW = 1.90821492927058770002e-10;
/** Beyond these, exp is Infinity or less than the smallest normal number, which counts as 0 here. */
const EXP_MOST = 709.782712893384;
const EXP_LEAST = -708.3964185322641;

const bits = new DataView(new ArrayBuffer(8));

/** 2^k for −1022 ≤ k ≤ 1023. */
function powerOfTwo(k: number): number {
  bits.setUint32(0, (k + 1023) << 20);
  bits.setUint32(4, 0);
  return bits.getFloat64(0);
}

/** e^x within one unit of the last place. */
export function exp(x: number): number {
  if (!(x >= EXP_LEAST)) return Number.isNaN(x) ? NaN : 0;
  if (x > EXP_MOST) return Infinity;
  // x = k·ln 2 + r with |r| ≤ ln 2 / 2; the two parts of ln 2 keep r exact.
  const k = Math.trunc(Math.LOG2E * x + (x < 0 ? -0.5 : 0.5));
  const high = x - k * LN2_HIGH;
  const low = k * LN2_LOW;
  const r = high - low;
  const t = r * r;
  const even =
    t *
    (1.66666666666666019037e-1 +
      t * (-2.77777777770155933842e-3 + t * (6.61375632143793436117e-5 + t * (-1.6533902205465251539e-6 + t * 4.13813679705723846039e-8)))); // prettier-ignore
  const c = r - even;
  const y = 1 - (low - (r * c) / (2 - c) - high);
  // 2^1024 is no number, so the last doubling is taken apart.
  return k > 1023 ? y * 2 * powerOfTwo(k - 1) : y * powerOfTwo(k);
}

/** Natural logarithm within one unit of the last place; of numbers below the smallest normal one −∞, of negative ones NaN. */
export function log(x: number): number {
  if (!(x >= 0)) return NaN;
  if (x < 2.2250738585072014e-308) return -Infinity;
  if (x === Infinity) return Infinity;
  bits.setFloat64(0, x);
  const top = bits.getUint32(0);
  let k = (top >>> 20) - 1023;
  bits.setUint32(0, (top & 0xfffff) | 0x3ff00000);
  // x = 2^k · m with √½ ≤ m < √2, and f = m − 1.
  let m = bits.getFloat64(0);
  if (m > Math.SQRT2) {
    m /= 2;
    k += 1;
  }
  const f = m - 1;
  const s = f / (2 + f);
  const z = s * s;
  const w = z * z;
  const odd = w * (3.999999999940941908e-1 + w * (2.222219843214978396e-1 + w * 1.531383769920937332e-1));
  const even =
    z * (6.66666666666673513e-1 + w * (2.857142874366239149e-1 + w * (1.818357216161805012e-1 + w * 1.479819860511658591e-1)));
  const half = 0.5 * f * f;
  return k * LN2_HIGH - (half - (s * (half + odd + even) + k * LN2_LOW) - f);
}
