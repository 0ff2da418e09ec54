import { describe, expect, test } from 'vitest';
import { RollingWindow, ewma, ewmaAdd, quantileSorted } from '../../../src/core/stats';

describe('ewma', () => {
  test('is the plain mean while young: no pull towards zero', () => {
    let mean = ewma();
    for (const x of [10, 12, 14]) mean = ewmaAdd(mean, x, 1000);
    expect(mean.value).toBeCloseTo(12, 2);
  });

  test('forgets with its memory', () => {
    let mean = ewma(0, 50);
    for (let i = 0; i < 10; i++) mean = ewmaAdd(mean, 1, 10);
    const old = 50 * 0.9 ** 10;
    const fresh = 10 * (1 - 0.9 ** 10);
    expect(mean.value).toBeCloseTo(fresh / (old + fresh), 10);
    expect(mean.weight).toBeCloseTo(old + fresh, 10);
  });

  test('ignores what is not finite and leaves its argument alone', () => {
    const before = Object.freeze(ewma(3, 2));
    expect(ewmaAdd(before, NaN, 10)).toBe(before);
    expect(ewmaAdd(before, Infinity, 10)).toBe(before);
    expect(ewmaAdd(before, 6, 10).value).toBeGreaterThan(3);
  });
});

describe('quantiles', () => {
  test('are linear between neighbours', () => {
    expect(quantileSorted([1, 2, 3, 4], 0.5)).toBe(2.5);
    expect(quantileSorted([1, 2], 0)).toBe(1);
    expect(quantileSorted([1, 2], 1)).toBe(2);
    expect(quantileSorted([], 0.5)).toBeNaN();
  });

  test('of a window cover the last values only', () => {
    const window = new RollingWindow(3);
    expect(window.quantiles(0.5)).toEqual([NaN]);
    for (const x of [100, 3, NaN, 1, 2]) window.add(x);
    expect(window.count).toBe(3);
    expect(window.quantiles(0, 0.5, 1)).toEqual([1, 2, 3]);
    window.clear();
    expect(window.count).toBe(0);
  });
});
