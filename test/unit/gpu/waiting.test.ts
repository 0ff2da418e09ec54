import { describe, expect, it } from 'vitest';
import { Waiting } from '../../../src/gpu/waiting';

/** A frame's times where kernels take 5 ms and the way back 4 ms; `startAt`: when the GPU began with it. */
const frame = (submittedAt: number, startAt = submittedAt) => ({ submittedAt, answeredAt: startAt + 9, gpuMs: 5 });

describe('the wait for the frame before', () => {
  it('is none where nobody is before it', () => {
    const waiting = new Waiting();
    expect([frame(0), frame(20), frame(29)].map((one) => waiting.of(one))).toEqual([0, 0, 0]);
  });

  it('is none for a frame that comes when the GPU is free, though the answer before is still on its way', () => {
    const waiting = new Waiting();
    waiting.of(frame(0));
    expect(waiting.of(frame(5))).toBe(0);
    expect(waiting.of(frame(12))).toBe(0);
  });

  it('is what the GPU still needed for the frame before', () => {
    const waiting = new Waiting();
    waiting.of(frame(0));
    expect(waiting.of(frame(2, 5))).toBe(3);
    expect(waiting.of(frame(7, 10))).toBe(3);
  });

  it('lasts at most until the answer before, where no frame has shown yet how long the way back takes', () => {
    const waiting = new Waiting();
    waiting.of({ ...frame(0), gpuMs: undefined });
    expect(waiting.of(frame(8))).toBe(1);
  });

  it('lasts until the answer before on adapters without timestamps', () => {
    const waiting = new Waiting();
    waiting.of({ ...frame(0), gpuMs: undefined });
    expect(waiting.of({ ...frame(2, 5), gpuMs: undefined })).toBe(7);
  });
});
