/** The portable exp and log against Math's, and against bits fixed here: those are what a replay rests on. */
import { describe, expect, test } from 'vitest';
import { mulberry32 } from '../../../src/control/random';
import { exp, log } from '../../../src/core/exact';

/** Distance in units of the last place of the larger. */
const ulps = (a: number, b: number): number => {
  const unit = Math.max(Math.abs(a), Math.abs(b)) * Number.EPSILON;
  return a === b ? 0 : Math.abs(a - b) / unit;
};
const hex = (value: number): string => {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return view.getBigUint64(0).toString(16);
};

describe('exp and log', () => {
  test('agree with Math to two units of the last place, over all magnitudes', () => {
    const random = mulberry32(1);
    let worst = { of: '', ulps: 0 };
    const note = (of: string, a: number, b: number): void => {
      const off = ulps(a, b);
      if (!(off <= worst.ulps)) worst = { of, ulps: off };
    };
    for (let i = 0; i < 20_000; i++) {
      const x = (random() * 2 - 1) * 10 ** (random() * 4 - 2);
      note(`exp ${x}`, exp(x), Math.exp(x));
      const y = 10 ** (random() * 600 - 300);
      note(`log ${y}`, log(y), Math.log(y));
      const near = 1 + (random() - 0.5) * 1e-3;
      note(`log ${near}`, log(near), Math.log(near));
    }
    expect(worst.ulps, worst.of).toBeLessThanOrEqual(2);
  });

  test('the ends', () => {
    expect([exp(0), exp(-Infinity), exp(Infinity), exp(710), exp(-800), exp(NaN)]).toEqual([1, 0, Infinity, Infinity, 0, NaN]);
    expect([log(1), log(0), log(Infinity), log(-1), log(NaN)]).toEqual([0, -Infinity, Infinity, NaN, NaN]);
    expect(ulps(exp(709.7), Math.exp(709.7))).toBeLessThanOrEqual(2);
    expect(ulps(exp(-708), Math.exp(-708))).toBeLessThanOrEqual(2);
  });

  test('give these bits everywhere', () => {
    expect([0.1, -0.8229, 3, -6.9].map((x) => hex(exp(x)))).toMatchInlineSnapshot(`
      [
        "3ff1aec7b35a00d4",
        "3fdc1b22d40be206",
        "403415e5bf6fb106",
        "3f5082f55d62b126",
      ]
    `);
    expect([0.1, 0.4391593230626272, 3, 1234.5].map((x) => hex(log(x)))).toMatchInlineSnapshot(`
      [
        "c0026bb1bbb55515",
        "bfea5523b83fbf3e",
        "3ff193ea7aad030a",
        "401c79436f818745",
      ]
    `);
  });
});
