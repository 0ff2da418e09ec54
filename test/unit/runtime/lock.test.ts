import { describe, expect, test } from 'vitest';
import { createLock } from '../../../src/runtime/lock';

/** Work that ends when it is told to. */
function slow<T>(value: T) {
  let end = (_value: T): void => {};
  const promise = new Promise<T>((resolve) => (end = resolve));
  let started = false;
  return {
    work: () => {
      started = true;
      return promise;
    },
    end: () => end(value),
    started: () => started,
  };
}
const turn = () => new Promise((resolve) => setTimeout(resolve));

describe('lock', () => {
  test('frames are refused while something is held, and beyond what may be on the way', async () => {
    const lock = createLock();
    const frame = slow('frame');
    const answered = lock.frame(frame.work, { most: 1 });
    await expect(lock.frame(() => Promise.resolve(), { most: 1 })).rejects.toMatchObject({ code: 'busy' });
    const held = slow('held');
    const holding = lock.hold('at it', held.work);
    await turn();
    expect(held.started()).toBe(false);
    frame.end();
    expect(await answered).toBe('frame');
    await turn();
    expect(held.started()).toBe(true);
    await expect(lock.frame(() => Promise.resolve(), { most: 2 })).rejects.toMatchObject({ code: 'busy' });
    held.end();
    await holding;
    await expect(lock.frame(() => Promise.resolve(1))).resolves.toBe(1);
  });

  test('two that were asked for: the second is refused', async () => {
    const lock = createLock();
    const first = slow(1);
    const holding = lock.hold('at it', first.work);
    await expect(lock.hold('at another', () => Promise.resolve())).rejects.toMatchObject({ code: 'busy' });
    first.end();
    await holding;
  });

  test('what runs behind the scenes waits for all else, and what was asked for waits for it', async () => {
    const lock = createLock();
    const asked = slow('asked');
    const holding = lock.hold('at it', asked.work);
    const behind = slow('behind');
    const measuring = lock.holdBehind('measuring', behind.work);
    await turn();
    expect(behind.started()).toBe(false);
    asked.end();
    await holding;
    await turn();
    expect(behind.started()).toBe(true);
    // Neither refused nor beside it.
    const next = slow('next');
    const later = lock.hold('at the next', next.work);
    await turn();
    expect(next.started()).toBe(false);
    behind.end();
    expect(await measuring).toBe('behind');
    await turn();
    expect(next.started()).toBe(true);
    next.end();
    expect(await later).toBe('next');
  });

  test('goes on after work that failed', async () => {
    const lock = createLock();
    await expect(lock.holdBehind('measuring', () => Promise.reject(new Error('lost')))).rejects.toThrow('lost');
    await expect(lock.hold('at it', () => Promise.resolve(2))).resolves.toBe(2);
  });

  test('patient frames wait for those on their way, in order, and before those of a stream', async () => {
    const lock = createLock();
    const order: string[] = [];
    const streamed = slow('streamed');
    const first = slow('first');
    const running = lock.frame(streamed.work, { most: 2 });
    const answers = [
      lock.frame(first.work, { patient: true }).then((name) => order.push(name)),
      lock.frame(() => Promise.reject(new Error('second')), { patient: true }).catch(() => order.push('second')),
      lock.frame(() => Promise.resolve('third'), { patient: true }).then((name) => order.push(name)),
    ];
    await turn();
    expect(first.started()).toBe(false);
    // One of the stream would come between, for ever.
    await expect(lock.frame(() => Promise.resolve(), { most: 2 })).rejects.toMatchObject({ code: 'busy' });
    streamed.end();
    await running;
    await turn();
    expect(first.started()).toBe(true);
    first.end();
    await Promise.all(answers);
    expect(order).toEqual(['first', 'second', 'third']);
    await expect(lock.frame(() => Promise.resolve(4), { most: 2 })).resolves.toBe(4);
  });

  test('frames go before longer work that is asked for after them', async () => {
    const lock = createLock();
    const order: string[] = [];
    const first = slow('first');
    const calls = [
      lock.frame(first.work, { patient: true }),
      lock.frame(() => Promise.resolve('second'), { patient: true }),
      lock.hold('at it', () => Promise.resolve('held')),
    ].map((call) => call.then((name) => order.push(name)));
    expect(first.started()).toBe(true);
    await turn();
    first.end();
    await Promise.all(calls);
    expect(order).toEqual(['first', 'second', 'held']);
  });

  test('no more than a few wait', async () => {
    const lock = createLock();
    const first = slow('first');
    const started = lock.frame(first.work);
    const waiting = Array.from({ length: 8 }, (_, i) => lock.frame(() => Promise.resolve(i), { patient: true }));
    await expect(lock.frame(() => Promise.resolve(), { patient: true })).rejects.toMatchObject({ code: 'busy' });
    first.end();
    await started;
    expect(await Promise.all(waiting)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test('a patient frame waits for what runs behind the scenes, but not for what was asked for', async () => {
    const lock = createLock();
    const behind = slow('behind');
    const measuring = lock.holdBehind('measuring', behind.work);
    await expect(lock.frame(() => Promise.resolve())).rejects.toMatchObject({ code: 'busy' });
    const frame = lock.frame(() => Promise.resolve('answer'), { patient: true });
    behind.end();
    expect(await frame).toBe('answer');
    await measuring;
    const asked = slow('asked');
    const holding = lock.hold('at it', asked.work);
    await expect(lock.frame(() => Promise.resolve(), { patient: true })).rejects.toMatchObject({ code: 'busy' });
    asked.end();
    await holding;
  });
});
