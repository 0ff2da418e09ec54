import { describe, expect, test } from 'vitest';
import { unlessAborted } from '../../../src/core/abort';

const why = (): Error => new Error('given up');

describe('unlessAborted', () => {
  test('is the work where nothing is aborted, and leaves nothing at the signal', async () => {
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners += 1;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners -= 1;
      removeEventListener.apply(signal, args);
    };
    await expect(unlessAborted(Promise.resolve(1), signal, why)).resolves.toBe(1);
    await expect(unlessAborted(Promise.reject(new Error('own')), signal, why)).rejects.toThrow('own');
    await Promise.resolve();
    expect(listeners).toBe(0);
    await expect(unlessAborted(Promise.resolve(2), undefined, why)).resolves.toBe(2);
  });

  test('is given up at once, before or meanwhile', async () => {
    const controller = new AbortController();
    const never = new Promise<never>(() => {});
    const waiting = unlessAborted(never, controller.signal, why);
    controller.abort();
    await expect(waiting).rejects.toThrow('given up');
    await expect(unlessAborted(never, controller.signal, why)).rejects.toThrow('given up');
  });
});
