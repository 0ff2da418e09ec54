import { describe, expect, it } from 'vitest';
import { Gaps } from '../../../src/engine/gaps';

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const spin = (ms: number) => {
  const end = performance.now() + ms;
  while (performance.now() < end);
};

describe('gaps between frames', () => {
  it('loading waits for the frame on its way', async () => {
    const gaps = new Gaps();
    const order: string[] = [];
    const frame = gaps.runFrame(async () => {
      await wait(30);
      order.push('frame');
    });
    await gaps.pause();
    order.push('slice');
    await gaps.runStep(() => Promise.resolve(order.push('step')));
    await frame;
    expect(order).toEqual(['frame', 'slice', 'step']);
  });

  it('a frame waits for a step, and goes before the next one', async () => {
    const gaps = new Gaps();
    const order: string[] = [];
    let end = (): void => {};
    let begun = (): void => {};
    const running = new Promise<void>((resolve) => (begun = resolve));
    const first = gaps.runStep(async () => {
      begun();
      await new Promise<void>((resolve) => (end = resolve));
      order.push('first step');
    });
    const steps = first.then(() => gaps.runStep(() => Promise.resolve(order.push('second step'))));
    await running;
    const frame = gaps.runFrame(() => Promise.resolve(order.push('frame')));
    end();
    await Promise.all([steps, frame]);
    expect(order).toEqual(['first step', 'frame', 'second step']);
  });

  it('lets what is waiting in once a slice is used up, and not before', async () => {
    const gaps = new Gaps();
    let others = 0;
    await gaps.pause();
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener('message', () => (others += 1));
    port1.start();
    port2.postMessage('let me in');
    await gaps.pause();
    expect(others).toBe(0);
    spin(5);
    for (let i = 0; i < 20 && others === 0; i++) {
      await gaps.pause();
      spin(2);
    }
    expect(others).toBe(1);
    port1.close();
  });

  it('loading waits for the last of several frames', async () => {
    const gaps = new Gaps();
    const order: string[] = [];
    const frame = (name: string, ms: number) => gaps.runFrame(() => wait(ms).then(() => order.push(name)));
    const frames = [frame('first', 10), frame('second', 30)];
    expect(gaps.inFlight).toBe(2);
    await gaps.pause();
    order.push('slice');
    await Promise.all(frames);
    expect(order).toEqual(['first', 'second', 'slice']);
  });

  it('goes on after a frame and a step that failed', async () => {
    const gaps = new Gaps();
    await expect(gaps.runFrame(() => Promise.reject(new Error('bad frame')))).rejects.toThrow('bad frame');
    await expect(gaps.runStep(() => Promise.reject(new Error('bad step')))).rejects.toThrow('bad step');
    expect(gaps.inFlight).toBe(0);
    expect(await gaps.runFrame(() => Promise.resolve(1))).toBe(1);
  });
});
