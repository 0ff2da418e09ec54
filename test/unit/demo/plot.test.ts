/** Axes of the demo's plots. */
import { describe, expect, it } from 'vitest';
import { linearAxis, logAxis, spaced } from '../../../src/demo/lab/plot';

describe('logAxis', () => {
  it('gives equal factors equal distances, and keeps values outside on its ends', () => {
    const axis = logAxis(1, 100, 0, 200);
    expect(axis.at(10)).toBeCloseTo(100);
    expect(axis.at(20) - axis.at(10)).toBeCloseTo(axis.at(2) - axis.at(1));
    expect([axis.at(0.1), axis.at(1e6)]).toEqual([0, 200]);
  });

  it.each([
    [0.02, 0.9],
    [3, 7],
    [12, 400],
    [1.1e7, 4.4e8],
  ])('has round ticks inside %d…%d, at least three', (min, max) => {
    const { ticks } = logAxis(min, max, 0, 300);
    expect(ticks.length).toBeGreaterThanOrEqual(3);
    for (const tick of ticks) {
      expect(tick).toBeGreaterThanOrEqual(min);
      expect(tick).toBeLessThanOrEqual(max);
      expect([1, 1.5, 2, 3, 4, 5, 6, 8]).toContain(Number((tick / 10 ** Math.floor(Math.log10(tick) + 1e-9)).toPrecision(3)));
    }
  });
});

describe('linearAxis', () => {
  it.each([
    [0, 30],
    [0.193, 0.291],
    [0, 0.05],
    [-2, 9000],
  ])('has a few round ticks inside %d…%d', (min, max) => {
    const { ticks } = linearAxis(min, max, 0, 100);
    expect(ticks.length).toBeGreaterThanOrEqual(2);
    expect(ticks.length).toBeLessThanOrEqual(6);
    for (const tick of ticks) expect(tick >= min && tick <= max).toBe(true);
  });

  it('may point downwards, as y does on a screen', () => {
    const axis = linearAxis(0, 10, 100, 0);
    expect([axis.at(0), axis.at(5), axis.at(10)]).toEqual([100, 50, 0]);
  });
});

describe('spaced', () => {
  it('drops ticks whose texts would touch', () => {
    const axis = logAxis(1, 1000, 0, 120);
    const kept = spaced(axis, 34).map(axis.at);
    expect(kept.length).toBeGreaterThan(1);
    kept.slice(1).forEach((x, i) => expect(x - (kept[i] ?? 0)).toBeGreaterThanOrEqual(34));
  });
});
