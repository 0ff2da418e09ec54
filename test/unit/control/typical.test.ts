import { describe, expect, test } from 'vitest';
import { typicalTimings } from '../../../src/control/typical';

const IDS = ['a', 'b', 'c', 'd', 'e'];
const MS = new Map(IDS.map((id, at) => [id, 10 * (1 + at)]));
/** Off by up to a quarter either way, and in another unit. */
const GUESS = new Map(IDS.map((id, at) => [id, 3 * (MS.get(id) ?? NaN) * (at % 2 ? 1.25 : 0.8)]));

const visit = (route: string, slowdown: number) => ({
  route,
  samplesMs: [0.98, 1.02].map((noise) => (MS.get(route) ?? NaN) * slowdown * noise),
});
/** Rounds over all routes in order; the nth visit of all is slower by `slowdown(n)`. */
const visits = (rounds: number, slowdown: (at: number) => number) =>
  Array.from({ length: rounds * IDS.length }, (_, at) => visit(IDS[at % IDS.length] ?? '', slowdown(at)));
/** Largest error of a ratio of two routes, as a share. */
function ratioError(timings: ReturnType<typeof typicalTimings>): number {
  const off = timings.map(({ route, medianMs }) => medianMs / (MS.get(route) ?? NaN));
  return Math.max(...off) / Math.min(...off) - 1;
}

describe('typicalTimings', () => {
  test('a steady device: the medians', () => {
    const timings = typicalTimings(visits(3, () => 1), GUESS); // prettier-ignore
    expect(timings.map(({ route }) => route)).toEqual(IDS);
    for (const { route, medianMs } of timings) expect(medianMs / (MS.get(route) ?? NaN)).toBeCloseTo(1, 2);
  });

  test('one slow stretch changes no ratio, whenever it begins and however long it is', () => {
    for (let from = 0; from < 15; from++) {
      for (let length = 1; from + length <= 15; length++) {
        const timings = typicalTimings(visits(3, (at) => (at >= from && at < from + length ? 2 : 1)), GUESS); // prettier-ignore
        // A visit beside a change may be counted to the wrong side.
        expect(ratioError(timings), `${from} + ${length}`).toBeLessThan(0.2);
      }
    }
  });

  test('a device that slows down over and over, or more and more, changes few ratios', () => {
    expect(ratioError(typicalTimings(visits(6, (at) => (Math.floor(at / 9) % 2 ? 3 : 1)), GUESS))).toBeLessThan(0.05); // prettier-ignore
    expect(ratioError(typicalTimings(visits(5, (at) => 1 + at / 12), GUESS))).toBeLessThan(0.25); // prettier-ignore
  });

  test('the time is that of the device most of the time', () => {
    const slowFirst = typicalTimings(visits(5, (at) => (at < 7 ? 2 : 1)), GUESS); // prettier-ignore
    expect(slowFirst[0]?.medianMs).toBeCloseTo(10, 0);
    const slowMostly = typicalTimings(visits(5, (at) => (at < 7 ? 1 : 2)), GUESS); // prettier-ignore
    expect(slowMostly[0]?.medianMs).toBeCloseTo(20, 0);
  });

  test('the guess alone decides nothing that the visits say', () => {
    const wrong = new Map(IDS.map((id) => [id, 1]));
    expect(ratioError(typicalTimings(visits(3, () => 1), wrong))).toBeLessThan(0.05); // prettier-ignore
    expect(ratioError(typicalTimings(visits(3, () => 1), new Map()))).toBeLessThan(0.05); // prettier-ignore
  });

  test('one round is taken as it is, however wrong the guess', () => {
    const wrong = new Map(IDS.map((id, at) => [id, 100 - at]));
    expect(ratioError(typicalTimings(visits(1, () => 1), wrong))).toBeLessThan(0.01); // prettier-ignore
  });

  test('two routes are taken as they are; a route without a frame is left out', () => {
    const timings = typicalTimings([visit('a', 2), visit('b', 2), { route: 'c', samplesMs: [] }], GUESS);
    expect(timings.map(({ route }) => route)).toEqual(['a', 'b']);
    expect(timings[0]?.medianMs).toBeCloseTo(20, 1);
    expect(timings[1]?.medianMs).toBeCloseTo(40, 1);
    expect(typicalTimings([], GUESS)).toEqual([]);
  });
});
