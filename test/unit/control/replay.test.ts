import { describe, expect, test } from 'vitest';
import { createController } from '../../../src/control/controller';
import { mulberry32 } from '../../../src/control/random';
import { StitchError } from '../../../src/core/errors';
import { headerOf, replay } from '../../../src/control/replay';
import type { StartOptions } from '../../../src/control/state';
import type { ControlEvent, Decision } from '../../../src/control/types';
import { LADDER } from './fixture';

const START: StartOptions = { rungs: LADDER, budget: { latencyMs: 33, energy: 'balanced' }, now: 12.5 };

/** A recording, as lines: header, events, and the decisions among them. */
function record(): { lines: string[]; decisions: Decision[] } {
  const random = mulberry32(3);
  const controller = createController(START);
  const decisions = [controller.first];
  const lines = [headerOf(START), { type: 'decision', decision: controller.first }].map((line) => JSON.stringify(line));
  for (let i = 1; i < 900; i++) {
    const now = 12.5 + i * 33.4;
    const slow = Math.floor(i / 150) % 2 ? 2.5 : 1;
    const cost = LADDER.find(({ id }) => id === controller.route)?.costMs ?? 1;
    const event: ControlEvent =
      i % 200 === 199
        ? { type: 'budget', now, budget: { latencyMs: 10 + 80 * random(), energy: 'balanced' } }
        : { type: 'sample', now, route: controller.route, latencyMs: cost * slow * (0.9 + 0.2 * random()) };
    const decision = controller.dispatch(event);
    lines.push(JSON.stringify(event));
    if (!decision) continue;
    decisions.push(decision);
    lines.push(JSON.stringify({ type: 'decision', decision }));
  }
  return { lines, decisions };
}

describe('replay', () => {
  test('decides what was decided, to the bit', () => {
    const { lines, decisions } = record();
    const again = replay(lines);
    expect(decisions.length).toBeGreaterThan(5);
    expect(again.decisions).toEqual(decisions);
    expect(again.recorded).toEqual(decisions);
    expect(again.differsAt).toBeUndefined();
    expect(again.header.start).toEqual(START);
  });

  test('a changed event is noticed, and where', () => {
    const { lines } = record();
    const changed = lines.map((line) => line.replace(/"latencyMs":(\d+)/, (_, ms: string) => `"latencyMs":${Number(ms) * 4}`));
    expect(replay(changed).differsAt).toBe(0);
    const last = lines.findLastIndex((line) => line.includes('"decision"'));
    const forged = lines.map((line, i) => (i === last ? line.replace(/"slowdown":[\d.e-]+/, '"slowdown":1.25') : line));
    expect(replay(forged).differsAt).toBe(replay(forged).decisions.length - 1);
  });

  test('events alone are enough', () => {
    const { lines, decisions } = record();
    const again = replay(lines.filter((line) => !line.startsWith('{"type":"decision"')));
    expect(again.decisions).toEqual(decisions);
    expect(again.recorded).toEqual([]);
  });

  test.each<[string[], RegExp]>([
    [['{"type":"sample"}'], /Line 1 .* no header/],
    [[JSON.stringify(headerOf(START)), '{'], /Line 2 .* no JSON/],
    [[JSON.stringify(headerOf(START)), '{"type":"wish"}'], /Line 2 .* unknown type 'wish'/],
    [[JSON.stringify(headerOf(START)), JSON.stringify(headerOf(START))], /Line 2 .* second header/],
    [[JSON.stringify({ ...headerOf(START), tuning: -1 })], /from tuning -1/],
    [[JSON.stringify({ ...headerOf(START), start: undefined })], /Line 1 .* no event that can be taken/],
    ...['budget', 'signals', 'mode', 'ladder'].map(
      (type) =>
        [[JSON.stringify(headerOf(START)), `{"type":"${type}","now":1}`], /Line 2 .* no event that can be taken/] as [
          string[],
          RegExp,
        ],
    ),
    [[], /no header/],
  ])('refuses %j', (lines, message) => {
    expect(() => replay(lines)).toThrow(message);
    expect(() => replay(lines)).toThrow(StitchError);
  });
});
