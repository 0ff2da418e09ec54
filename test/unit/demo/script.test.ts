/** Budget scripts: where the slider goes by itself. */
import { describe, expect, it } from 'vitest';
import { budgetAt, makeScript, scriptOfTrace } from '../../../src/demo/lab/script';

const range = { low: 10, high: 80, step: 0.5 };

describe('makeScript', () => {
  it.each(['sweep', 'steps', 'jumps'] as const)(
    '%s stays inside the range, on the slider’s steps, in order of time',
    (shape) => {
      const { steps, durationMs } = makeScript(shape, range);
      for (const { latencyMs } of steps) {
        expect(latencyMs).toBeGreaterThanOrEqual(range.low);
        expect(latencyMs).toBeLessThanOrEqual(range.high);
        expect((latencyMs / range.step) % 1).toBe(0);
      }
      const times = steps.map(({ atMs }) => atMs);
      expect(times).toEqual([...times].sort((a, b) => a - b));
      expect(times[0]).toBe(0);
      expect(times.at(-1)).toBeLessThan(durationMs);
    },
  );

  it('sweeps from the top to the bottom and back by equal factors', () => {
    const script = makeScript('sweep', range);
    expect(budgetAt(script, 0)).toBe(80);
    expect(budgetAt(script, script.durationMs / 2)).toBe(10);
    // Half way down is the geometric mean, not the arithmetic one.
    expect(budgetAt(script, script.durationMs / 4)).toBeCloseTo(Math.sqrt(10 * 80), 0);
    expect(budgetAt(script, (script.durationMs * 3) / 4)).toBe(budgetAt(script, script.durationMs / 4));
  });

  it('leaps over much of the range, the same each time', () => {
    const levels = makeScript('jumps', range).steps.map(({ latencyMs }) => latencyMs);
    expect(Math.max(...levels) / Math.min(...levels)).toBeGreaterThan(4);
    expect(new Set(levels).size).toBeGreaterThan(10);
    expect(makeScript('jumps', range).steps.map(({ latencyMs }) => latencyMs)).toEqual(levels);
  });

  it('never goes to zero where the slider’s step is coarser than the range', () => {
    for (const { latencyMs } of makeScript('sweep', { low: 0.2, high: 3, step: 1 }).steps) expect(latencyMs).toBeGreaterThan(0);
  });
});

describe('budgetAt', () => {
  const script = { steps: [{ atMs: 0, latencyMs: 5 }, { atMs: 100, latencyMs: 9 }], durationMs: 300 }; // prettier-ignore

  it('holds each step until the next and begins again at the end', () => {
    expect([0, 99, 100, 299, 300, 410].map((time) => budgetAt(script, time))).toEqual([5, 5, 9, 9, 5, 9]);
  });
});

describe('scriptOfTrace', () => {
  it('is nothing where the budget never moved', () => {
    expect(scriptOfTrace([{ atMs: 0, latencyMs: 5 }], 60_000)).toBeUndefined();
  });

  it('leaves the last budget its time, also where the trace ended with it', () => {
    const steps = [{ atMs: 0, latencyMs: 5 }, { atMs: 4000, latencyMs: 9 }]; // prettier-ignore
    expect(scriptOfTrace(steps, 4000)?.durationMs).toBeGreaterThan(4000);
    expect(scriptOfTrace(steps, 9000)?.durationMs).toBe(9000);
  });
});
