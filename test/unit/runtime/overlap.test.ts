import { describe, expect, it } from 'vitest';
import { Overlap } from '../../../src/runtime/overlap';

/** A frame: 1 ms of page and wire, 3 ms of upload, encoding and reading back, 6 ms of GPU. */
const FRAME = { totalMs: 9, encodeMs: 1, gpuMs: 6 };
const WALL = 10;

const seen = (count: number, timing = {}, wall = WALL): Overlap => {
  const overlap = new Overlap();
  for (let i = 0; i < count; i++) overlap.add('a', wall, { ...FRAME, ...timing });
  return overlap;
};

describe('when the next frame may begin before the answer', () => {
  it('so that it reaches the GPU when that becomes free', () => {
    expect(seen(5).after('a', 33)).toBeCloseTo(6);
  });

  it('not before a few frames were seen, and not on a route that was not', () => {
    expect(seen(4).after('a', 33)).toBe(Infinity);
    expect(seen(5).after('b', 33)).toBe(Infinity);
    const changed = seen(5);
    changed.add('b', WALL, FRAME);
    expect(changed.after('b', 33)).toBe(Infinity);
    expect(changed.after('a', 33)).toBe(Infinity);
  });

  it('later where the target leaves less room, and not at all where it leaves none', () => {
    expect(seen(5).after('a', 11)).toBeCloseTo(8);
    expect(seen(5).after('a', 9.5)).toBe(Infinity);
    expect(seen(5).after('a', 5)).toBe(Infinity);
  });

  it('not at all where the GPU is all there is, or where nobody knows its time', () => {
    expect(seen(5, { totalMs: 9.5, gpuMs: 9.2 }).after('a', 33)).toBe(Infinity);
    const blind = new Overlap();
    for (let i = 0; i < 20; i++) blind.add('a', WALL, { totalMs: 9, encodeMs: 1 });
    expect(blind.after('a', 33)).toBe(Infinity);
  });

  it('when the GPU is free in most cases, not in half of them', () => {
    const uneven = new Overlap();
    for (let i = 0; i < 12; i++) uneven.add('a', WALL, { ...FRAME, gpuMs: i % 3 === 0 ? 8 : 6 });
    expect(uneven.after('a', 33)).toBeCloseTo(8);
  });

  it('does not count what a frame waited for the one before', () => {
    const behind = seen(5, { totalMs: 13, queuedMs: 4 }, WALL + 4);
    expect(behind.after('a', 33)).toBeCloseTo(6);
    expect(behind.after('a', 11)).toBeCloseTo(8);
  });
});
