/** Whose picture is next, against a `watch` that is driven by hand. */
import { describe, expect, it } from 'vitest';
import { StitchError } from '../../../src/core/errors';
import type { Classification, FrameSource, WatchOptions } from '../../../src/runtime/api';
import { createTurns, type Seat } from '../../../src/shared/turns';

const answer = (seq: number): Classification => ({
  seq,
  route: 'a',
  executor: 'cpu',
  top: [],
  timing: { totalMs: 1, encodeMs: 1 },
});

function setUp() {
  let source: (() => FrameSource | null) | undefined;
  let callbacks: WatchOptions = {};
  let watches = 0;
  const turns = createTurns((from, options = {}) => {
    if (typeof from !== 'function') throw new Error('a function was expected');
    watches += 1;
    source = from;
    callbacks = options;
    const mine = from;
    return () => {
      if (source === mine) source = undefined;
    };
  });
  const results: string[] = [];
  const errors: string[] = [];
  const join = (name: string, has = () => true) => {
    const frame = { data: new Uint8Array(4), width: 1, height: 1 };
    const seat: Seat = {
      take: () => (has() ? frame : null),
      onResult: () => results.push(name),
      onError: ({ code }, final) => errors.push(`${name}: ${code}${final ? ' final' : ''}`),
    };
    return turns.join(seat);
  };
  let seq = 0;
  return {
    join,
    results,
    errors,
    watches: () => watches,
    overlaps: () => callbacks.overlap,
    watching: () => source !== undefined,
    pick: () => source?.() ?? null,
    /** Answers what the present watch has under way, whenever it is called. */
    later: () => {
      const { onResult } = callbacks;
      return () => onResult?.(answer((seq += 1)));
    },
    /** One frame from picture to answer; false where nobody had a picture. */
    frame(): boolean {
      if ((source?.() ?? null) === null) return false;
      callbacks.onResult?.(answer((seq += 1)));
      return true;
    },
    fail(code: 'frame-invalid' | 'device-lost', detail: { healing?: boolean } = {}) {
      source?.();
      callbacks.onError?.(new StitchError(code, 'no', detail));
    },
  };
}

describe('turns', () => {
  it('asks for one frame at a time, so that it knows whose answer comes', () => {
    const { join, overlaps } = setUp();
    join('a').offer();
    expect(overlaps()).toBe(false);
  });

  it('goes round, also where one source has a new picture at every frame', () => {
    const { join, frame, results } = setUp();
    const [a, b, c] = ['a', 'b', 'c'].map((name) => join(name));
    for (let i = 0; i < 6; i++) {
      a?.offer();
      if (i % 2 === 0) b?.offer();
      if (i === 0) c?.offer();
      frame();
    }
    expect(results).toEqual(['a', 'b', 'c', 'a', 'b', 'a']);
  });

  it('asks only for new pictures, and one that is gone costs nothing', () => {
    const { join, frame, results } = setUp();
    const a = join('a');
    const b = join('b', () => false);
    expect(frame()).toBe(false);
    b.offer();
    a.offer();
    expect(frame()).toBe(true);
    expect(frame()).toBe(false);
    expect(results).toEqual(['a']);
  });

  it('offers a picture again that was dropped because somebody else had the engine', () => {
    const { join, pick, frame, results } = setUp();
    join('a').offer();
    expect(pick()).not.toBeNull();
    // No answer and no error came: the next question is the runtime's next try.
    expect(frame()).toBe(true);
    expect(results).toEqual(['a']);
  });

  it('gives up on a source that keeps failing, and on nobody else', () => {
    const { join, fail, frame, errors, results, watching } = setUp();
    const bad = join('bad');
    for (let i = 0; i < 5; i++) {
      bad.offer();
      fail('frame-invalid');
    }
    const good = join('good');
    good.offer();
    frame();
    bad.offer();
    expect(frame()).toBe(false);
    expect(errors).toEqual([...Array.from({ length: 4 }, () => 'bad: frame-invalid'), 'bad: frame-invalid final']);
    expect(results).toEqual(['good']);
    expect(watching()).toBe(true);
  });

  it('asks again for a picture that was lost with the device, where that mends itself', () => {
    const { join, fail, frame, results, errors } = setUp();
    join('a').offer();
    fail('device-lost', { healing: true });
    expect(errors).toEqual(['a: device-lost']);
    expect(frame()).toBe(true);
    expect(results).toEqual(['a']);
  });

  it('watches anew after a failure, since a watch ends after too many in a row', () => {
    const { join, fail, watches } = setUp();
    join('a').offer();
    fail('frame-invalid');
    expect(watches()).toBe(2);
  });

  it('tells all of them of an end that concerns all, and stops', () => {
    const { join, fail, errors, watching } = setUp();
    join('a').offer();
    join('b');
    fail('device-lost');
    expect(errors.sort()).toEqual(['a: device-lost final', 'b: device-lost final']);
    expect(watching()).toBe(false);
  });

  it('says nothing to a source that has left, and watches only while there is one', () => {
    const { join, pick, frame, results, watching } = setUp();
    expect(watching()).toBe(false);
    const a = join('a');
    a.offer();
    pick();
    a.leave();
    expect(watching()).toBe(false);
    expect(frame()).toBe(false);
    join('b').offer();
    frame();
    expect(results).toEqual(['b']);
  });

  it("gives nobody the answer to a picture of one that left, and keeps the next one's turn", () => {
    const { join, pick, later, frame, results } = setUp();
    const a = join('a');
    a.offer();
    pick();
    const old = later();
    a.leave();
    join('b').offer();
    pick();
    old();
    expect(results).toEqual([]);
    expect(frame()).toBe(true);
    expect(results).toEqual(['b']);
  });
});
