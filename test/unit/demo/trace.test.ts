/** Playing a recorded trace back in the demo. */
import { describe, expect, it } from 'vitest';
import { createController, headerOf } from '../../../src/control/index';
import type { ControlEvent, Decision } from '../../../src/control/index';
import { playBack, verdict } from '../../../src/demo/lab/trace';

const rungs = [
  { id: 'small', costMs: 5, accuracy: 0.5 },
  { id: 'large', costMs: 20, accuracy: 0.7 },
];

/** What a page writes: the header, events, and the decisions they led to. Starts at 1000 ms of the clock. */
function recording(events: readonly ControlEvent[]): string[] {
  const start = { rungs, budget: { latencyMs: 40, energy: 'balanced' }, now: 1000 } as const;
  const controller = createController(start);
  const lines: unknown[] = [headerOf(start), { type: 'decision', decision: controller.first }];
  for (const event of events) {
    const decision = controller.dispatch(event);
    lines.push(event, ...(decision ? [{ type: 'decision', decision }] : []));
  }
  return lines.map((line) => JSON.stringify(line));
}

const sample = (now: number, route: string, latencyMs: number): ControlEvent => ({ type: 'sample', now, route, latencyMs });
const budget = (now: number, latencyMs: number): ControlEvent => ({
  type: 'budget',
  now,
  budget: { latencyMs, energy: 'balanced' },
});
const events: readonly ControlEvent[] = [
  sample(1030, 'large', 20),
  sample(1060, 'large', 21),
  budget(2000, 8),
  sample(2010, 'small', 5),
  budget(3000, 40),
  sample(3500, 'large', 19),
];

describe('playBack', () => {
  it('shows the frames, the decisions and the budgets from the trace’s start on', () => {
    const playback = playBack(recording(events).join('\n'));
    expect(playback.frames).toEqual([
      { atMs: 30, latencyMs: 20 },
      { atMs: 60, latencyMs: 21 },
      { atMs: 1010, latencyMs: 5 },
      { atMs: 2500, latencyMs: 19 },
    ]);
    expect(playback.durationMs).toBe(2500);
    expect(playback.rungs.map(({ id }) => id)).toEqual(['small', 'large']);
    expect(playback.script?.steps).toEqual([
      { atMs: 0, latencyMs: 40 },
      { atMs: 1000, latencyMs: 8 },
      { atMs: 2000, latencyMs: 40 },
    ]);
    const down = playback.decisions.find(({ from, to }) => from === 'large' && to === 'small');
    expect(down).toMatchObject({ atMs: 1000, targetMs: 8 });
    expect(down?.text).toMatch(/budget is now 8/i);
  });

  it('goes on from the state of a recording that began in the middle', () => {
    const start = { rungs, budget: { latencyMs: 40, energy: 'balanced' }, now: 1000 } as const;
    const controller = createController(start);
    controller.dispatch(budget(5000, 8));
    const header = JSON.stringify(headerOf(start, controller.state));
    const playback = playBack([header, JSON.stringify(sample(5200, 'small', 6))].join('\n'));
    expect(playback.start).toEqual({ route: 'small', targetMs: 8 });
    expect(playback.frames).toEqual([{ atMs: 200, latencyMs: 6 }]);
  });

  it('says that every decision came out the same', () => {
    const playback = playBack(recording(events).join('\n'));
    expect(playback.recorded).toBeGreaterThan(1);
    expect(playback.differsAt).toBeUndefined();
    expect(verdict(playback)).toMatch(/identical/);
  });

  it('finds the decision that is not the recorded one', () => {
    const lines = recording(events);
    const at = lines.findIndex((line) => line.includes('"decision"'));
    const entry = JSON.parse(lines[at] ?? '') as { type: string; decision: Decision };
    // The last bit of a double is a difference.
    const predictedMs = entry.decision.predictedMs * (1 + Number.EPSILON);
    lines[at] = JSON.stringify({ ...entry, decision: { ...entry.decision, predictedMs } });
    const playback = playBack(lines.join('\n'));
    expect(playback.differsAt).toBeDefined();
    expect(verdict(playback)).toMatch(/differs: decision \d+/);
  });

  it('does not claim a comparison that it could not make', () => {
    const playback = playBack(recording(events).filter((line) => !line.includes('"decision"')).join('\n')); // prettier-ignore
    expect(playback.recorded).toBe(0);
    expect(verdict(playback)).toMatch(/none to compare/);
  });

  it('names the line that is broken', () => {
    const lines = recording(events);
    lines[2] = '{"type":';
    expect(() => playBack(lines.join('\n'))).toThrow(/line 3/i);
    expect(() => playBack('')).toThrow(/header/);
    expect(() => playBack('{"some":"json"}')).toThrow(/line 1/i);
  });
});
