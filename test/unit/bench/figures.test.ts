import { describe, expect, it } from 'vitest';
import { linearFit, markdownTable, median, quantile } from '../../bench/lib/figures';

describe('quantile', () => {
  it('is the nearest rank of unsorted values', () => {
    const values = [30, 10, 50, 20, 40];
    expect([0, 0.2, 0.21, 0.5, 0.95, 1].map((q) => quantile(values, q))).toEqual([10, 10, 20, 30, 50, 50]);
    expect(median([4, 1, 3, 2])).toBe(2);
    expect(values).toEqual([30, 10, 50, 20, 40]);
  });

  it('is NaN without values', () => {
    expect(quantile([], 0.5)).toBeNaN();
  });
});

describe('linearFit', () => {
  const macs = [1.3e9, 4.6e9, 17.6e9, 2.2e9, 9.1e9];
  const blocks = [12, 12, 12, 14, 13];

  it('finds the coefficients of an exact relation', () => {
    const y = macs.map((value, i) => 3 + 2e-9 * value + 0.5 * (blocks[i] ?? 0));
    const { coefficients, r2 } = linearFit(y, [macs, blocks]);
    expect(coefficients[0]).toBeCloseTo(3, 8);
    expect((coefficients[1] ?? 0) * 1e9).toBeCloseTo(2, 8);
    expect(coefficients[2]).toBeCloseTo(0.5, 8);
    expect(r2).toBeCloseTo(1, 12);
  });

  it('says what share of the variance it explains', () => {
    // By hand: slope 0.6, intercept 2.2, residuals -0.8, 0.6, 1, -0.6, -0.2: 2.4 of 6.
    const { coefficients, r2 } = linearFit([2, 4, 5, 4, 5], [[1, 2, 3, 4, 5]]);
    expect(coefficients.map((value) => Number(value.toFixed(10)))).toEqual([2.2, 0.6]);
    expect(r2).toBeCloseTo(0.6, 12);
  });

  it('gives nothing to a column that others explain', () => {
    const x = [0.1, 0.7, 0.3, 0.9, 0.2];
    const y = x.map((value) => 3 + 2 * value + 0.01 * value ** 2);
    // Multiples that rounding keeps from being exact, and a column like the constant.
    const { coefficients, r2 } = linearFit(y, [x, x.map((value) => value / 3 + 0.1), x.map(() => 12.1)]);
    expect(coefficients[1]).toBeCloseTo(2, 1);
    expect(coefficients.slice(2)).toEqual([0, 0]);
    expect(r2).toBeCloseTo(1, 4);
  });
});

describe('markdownTable', () => {
  it('has a head, a rule and a line a row', () => {
    const rows = [
      { peer: 'a', ms: 1 },
      { peer: 'b', ms: '–' },
    ];
    expect(markdownTable(rows)).toBe('| peer | ms |\n| --- | --- |\n| a | 1 |\n| b | – |');
  });
});
