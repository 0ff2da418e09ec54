import { describe, expect, test } from 'vitest';
import { jointScore, meanMetrics, measure, NOTHING } from '../../../src/control/metrics';
import { layOut } from '../../../src/control/simulate';
import type { Run } from '../../../src/control/simulate';
import { TRACES, parseTrace } from '../../../src/control/traces';
import type { Trace } from '../../../src/control/traces';
import { judge } from '../../../src/control/gates';

const RUNGS = [10, 20].map((costMs, k) => ({ id: `r${k}`, costMs, accuracy: 0.5 + 0.25 * k }));

/** A run written by hand: one frame a tick. */
function runOf(
  frames: readonly { rung: number; latencyMs: number; grace?: boolean; told?: boolean }[],
  trace: Trace = TRACES.t1(30, 0.05),
): Run {
  const course = layOut(trace, RUNGS);
  return {
    course,
    count: frames.length,
    tick: Int32Array.from(frames, (_, i) => i),
    rung: Uint8Array.from(frames, ({ rung }) => rung),
    latencyMs: Float64Array.from(frames, ({ latencyMs }) => latencyMs),
    grace: Uint8Array.from(frames, ({ grace }) => (grace ? 1 : 0)),
    told: Uint8Array.from(frames, ({ told }) => (told ? 1 : 0)),
    withheld: 0,
    decisions: [],
  };
}
const score = (run: Run, plan = 1) =>
  measure(run, new Uint8Array(run.course.ticks).fill(plan), new Uint8Array(run.course.ticks));

describe('measure', () => {
  test('late frames count outside grace only, exactly on time is on time', () => {
    const frames = [30, 31, 40, 10].map((latencyMs, i) => ({ rung: 0, latencyMs, grace: i === 2 }));
    expect(score(runOf(frames))).toMatchObject({ violations: 100 / 3, hopeless: 0, accuracy: 50, regret: 25 });
  });

  test('late frames that nobody could have saved are late all the same, and are named', () => {
    const run = runOf([{ rung: 0, latencyMs: 31 }]);
    const hopeless = new Uint8Array(run.course.ticks).fill(1);
    expect(measure(run, new Uint8Array(run.course.ticks), hopeless)).toMatchObject({ violations: 100, hopeless: 100 });
  });

  test('A→B→A inside two seconds is a reversal, unless somebody outside asked for it', () => {
    const wander = (told: boolean) =>
      runOf([0, 0, 1, 1, 0, 0].map((rung, i) => ({ rung, latencyMs: 10, told: told && i === 2 })));
    // The trace takes one minute.
    expect(score(wander(false)).reversals).toBeCloseTo(1, 6);
    expect(score(wander(false)).switches).toBeCloseTo(2, 6);
    expect(score(wander(false)).restless).toBe(0);
    expect(score(wander(true)).reversals).toBe(0);
    expect(score(wander(true)).switches).toBeCloseTo(2, 6);
  });

  test('recovery counts frames to ten in a row, and seconds to the route of before', () => {
    const trace = TRACES.t2(30, 2);
    const course = layOut(trace, RUNGS);
    const frames = Array.from({ length: course.ticks }, (_, tick) => {
      const slow = (course.slowdown[tick] ?? 1) > 1;
      const late = tick >= 300 && tick < 303;
      return { rung: slow || tick < 780 ? (tick < 300 ? 1 : 0) : 1, latencyMs: late ? 40 : 20 };
    });
    const { recoverDown, recoverUp } = score(runOf(frames, trace));
    expect(recoverDown).toBe(3);
    expect(recoverUp).toBeCloseTo(1, 6);
  });

  test('the joint score is accuracy less the weighted faults; means skip what is unknown', () => {
    const one = { ...NOTHING, accuracy: 80, violations: 4, switches: 10, recoverUp: 2 };
    expect(jointScore(one, 0.5, 0.1)).toBe(77);
    expect(meanMetrics([one, NOTHING])).toMatchObject({ accuracy: 40, recoverUp: 2 });
  });
});

test('gates: a figure above its limit is missed, an unknown one is not, the best rival is named', () => {
  const ours = [{ trace: TRACES.t1(30, 0.15), metrics: { ...NOTHING, violations: 6 } }];
  const scores = [{ lambda: 1, mu: 0.1, ours: 5, oracle: 9, rivals: { lame: 1, good: 5 } }];
  const missed = judge({ ours, oracle: [], baselines: {}, scores }).filter(({ passed }) => !passed);
  expect(missed.map(({ gate, trace }) => `${gate} ${trace}`)).toEqual([
    'violations, % T1',
    'joint score behind good λ 1 μ 0.1',
  ]);
});

test('gates: where the oracle wins next to nothing either, a little behind is enough', () => {
  const missed = (ours: number, oracle: number) =>
    judge({ ours: [], oracle: [], baselines: {}, scores: [{ lambda: 1, mu: 0.1, ours, oracle, rivals: { largest: 5 } }] }).some(
      ({ passed, gate }) => !passed && gate.startsWith('joint'),
    );
  expect([missed(4.95, 5.04), missed(4.89, 5.04), missed(4.95, 5.06), missed(5.01, 5.06), missed(4.95, 4.9)]).toEqual([
    false,
    true,
    true,
    false,
    false,
  ]);
});

describe('parseTrace', () => {
  test('holds a value until the next, and may begin anywhere', () => {
    const { seconds, slowdown } = parseTrace('t_ms,slowdown\n# a comment\n500,1\n1500,2.5\n\n2500,1.5\n');
    expect(seconds).toBe(2);
    expect([0, 0.99, 1, 1.5, 2, 9].map(slowdown)).toEqual([1, 1, 2.5, 2.5, 1.5, 1.5]);
  });

  test.each(['0,1\n5,0', '0,1\n5', '0,1\n5,x', '5,1\n0,1', '0,1\n5,1,1'])('%j is refused with its line', (csv) => {
    expect(() => parseTrace(csv)).toThrow(/Line 2/);
  });

  test('an empty one is refused', () => {
    expect(() => parseTrace('t_ms,slowdown\n0,1')).toThrow(/two lines/);
  });
});
