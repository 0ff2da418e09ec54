import { expect, test } from 'vitest';
import { explain } from '../../../src/control/explain';
import type { Decision, DecisionReason } from '../../../src/control/types';

const decision = (part: Partial<Decision>): Decision => ({
  now: 0,
  from: 'big',
  to: 'small',
  reason: 'over-budget',
  targetMs: 33,
  budgetMs: 33,
  predictedMs: 21,
  slowdown: 1.4,
  duty: 1,
  ...part,
});

test('a step down gives the frame, the budget and the prediction', () => {
  expect(explain(decision({ observedMs: 48 }))).toBe(
    'Frames took 48 ms, over the 33 ms budget: down from big to small (predicted 21 ms).',
  );
});

test('the battery is named with its level', () => {
  const signals = {
    battery: { known: true, level: 0.18, charging: false },
    pressure: 'unknown',
    visible: true,
    saveData: false,
  } as const;
  expect(explain(decision({ reason: 'battery', targetMs: 16.5, signals }))).toBe(
    'Battery at 18 % and discharging: one inference may take 17 ms of the 33 ms budget, from big to small (predicted 21 ms).',
  );
  expect(explain(decision({ reason: 'battery', from: 'small', signals }))).toContain('staying at small');
});

test('every reason is one sentence', () => {
  const reasons: DecisionReason[] = [
    'start',
    'over-budget',
    'panic',
    'headroom',
    'probe-failed',
    'budget-changed',
    'battery',
    'pressure',
    'save-data',
    'visibility',
    'duty',
    'mode',
    'ladder',
    'hold',
  ];
  for (const reason of reasons) expect(explain(decision({ reason })), reason).toMatch(/^[A-Zs].*[a-z)%].*\.$/);
});
