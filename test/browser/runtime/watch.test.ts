/** Which pictures `watch` takes, and when, told by a network whose answers come when the test says so. */
import { afterEach, describe, expect, it } from 'vitest';
import { StitchError } from '../../../src/core/errors';
import { watch } from '../../../src/runtime/watch';

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A network that is asked and answers by hand. */
function network(overlapAfter = Infinity, fails?: StitchError) {
  const waiting: (() => void)[] = [];
  const seen = { asked: 0, dropped: 0, most: 0, ended: 0, errors: [] as StitchError[] };
  const state = { duty: 1, overlapAfter, picture: true };
  const stop = watch(() => (state.picture ? { data: new Uint8ClampedArray(4), width: 1, height: 1 } : null), {
    classify: () => {
      seen.asked += 1;
      if (fails) return Promise.reject(fails);
      return new Promise<void>((resolve) => {
        waiting.push(resolve);
        seen.most = Math.max(seen.most, waiting.length);
      });
    },
    onDropped: () => (seen.dropped += 1),
    onError: (error) => seen.errors.push(error),
    onEnd: () => (seen.ended += 1),
    duty: () => state.duty,
    readyAt: () => -Infinity,
    overlapAfter: () => state.overlapAfter,
  });
  return { seen, state, stop, answer: () => waiting.shift()?.(), waiting };
}

let made: ReturnType<typeof network>;
afterEach(() => {
  made.stop();
  while (made.waiting.length > 0) made.answer();
});

describe('watch', () => {
  it('takes one picture at a time where a second would only wait, and the newest one at the answer', async () => {
    made = network();
    await expect.poll(() => made.seen.asked).toBe(1);
    await wait(150);
    expect(made.seen).toMatchObject({ asked: 1, most: 1 });
    expect(made.seen.dropped).toBeGreaterThan(1);
    made.answer();
    await expect.poll(() => made.seen.asked).toBe(2);
    expect(made.seen.most).toBe(1);
  });

  it('sends a second one out when its time has come, never a third', async () => {
    made = network(40);
    const began = performance.now();
    await expect.poll(() => made.seen.asked, { interval: 1 }).toBe(2);
    expect(performance.now() - began).toBeGreaterThanOrEqual(40);
    await wait(150);
    expect(made.seen).toMatchObject({ asked: 2, most: 2 });
    // The third one when the first has left, and not before the second has had its time.
    made.answer();
    await expect.poll(() => made.seen.asked).toBe(3);
    expect(made.seen.most).toBe(2);
    expect(made.seen.errors).toEqual([]);
  });

  it('sends nothing after stop, also where a timer was set', async () => {
    made = network(60);
    await expect.poll(() => made.seen.asked, { interval: 1 }).toBe(1);
    made.stop();
    await wait(120);
    expect(made.seen.asked).toBe(1);
  });

  it.each([
    ['at once where nothing can be mended', new StitchError('internal', 'no'), 1],
    ['after ten failures in a row', new StitchError('frame-invalid', 'no'), 10],
  ])('ends by itself %s, and says so once', async (_, error, tries) => {
    made = network(Infinity, error);
    await expect.poll(() => made.seen.ended).toBe(1);
    await wait(100);
    expect(made.seen).toMatchObject({ asked: tries, ended: 1 });
    expect(made.seen.errors).toHaveLength(tries);
  });

  it('goes on when a source has pictures again, and rests at a duty of 0', async () => {
    made = network();
    made.state.picture = false;
    await wait(60);
    expect(made.seen.asked).toBe(0);
    made.state.duty = 0;
    made.state.picture = true;
    await wait(60);
    expect(made.seen.asked).toBe(0);
    expect(made.seen.dropped).toBeGreaterThan(0);
    made.state.duty = 1;
    await expect.poll(() => made.seen.asked).toBe(1);
  });

  it('says of the last error that it is', async () => {
    made = network(Infinity, new StitchError('frame-invalid', 'no pixels'));
    await expect.poll(() => made.seen.ended).toBe(1);
    expect(made.seen.errors.map(({ detail }) => detail['final'] === true)).toEqual([...Array(9).fill(false), true]);
    expect(made.seen.errors.at(-1)?.recoverable).toBe(true);
  });
});
