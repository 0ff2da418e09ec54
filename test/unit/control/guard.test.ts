/** The page-jank guard as a pure function, and through the controller: it gives up frames and never a route. */
import { describe, expect, test } from 'vitest';
import { createController } from '../../../src/control/controller';
import { NO_GUARD, guardAfter, type Guard } from '../../../src/control/guard';
import { mulberry32 } from '../../../src/control/random';
import { TUNING } from '../../../src/control/tuning';
import { LADDER } from './fixture';

/** Readings a second apart; `fps` may follow the share that the guard leaves. */
function run(from: Guard, seconds: number, fps: (share: number) => number, start = 0, running = true): Guard[] {
  const seen: Guard[] = [];
  let guard = from;
  for (let i = 1; i <= seconds; i++) {
    guard = guardAfter(guard, { now: start + i * 1000, fps: fps(guard.share), longMs: 0 }, running);
    seen.push(guard);
  }
  return seen;
}

/** A page that loses 30 of 60 frames to the network at full share. */
const ours = (share: number): number => 60 - 30 * share;

describe('the guard', () => {
  test('cuts until the page runs smoothly, and gives back slowly', () => {
    const seen = run(NO_GUARD, 60, ours);
    const shares = seen.map(({ share }) => share);
    expect(shares.slice(0, 2)).toEqual([1, 0.6]);
    expect(Math.min(...shares)).toBeLessThan(0.2);
    // Steps back that bring the stutter back are taken ever later: most of the time it is smooth.
    expect(shares.filter((share) => ours(share) < TUNING.jankFps).length).toBeLessThan(12);
    const raises = shares.flatMap((share, i) => (share > (shares[i - 1] ?? 1) ? [i] : []));
    expect(raises.length).toBeGreaterThan(1);
    for (const i of raises) expect((shares[i] ?? 1) - (shares[i - 1] ?? 0)).toBeLessThan(TUNING.jankStep + 0.01);
    expect(seen.at(-1)?.patienceMs).toBeGreaterThan(TUNING.jankPatienceMs);
    expect(run(seen.at(-1) ?? NO_GUARD, 120, () => 60, 60_000).at(-1)?.share).toBe(1);
  });

  test('where only the full share stutters, it is tried ever later', () => {
    const shares = run(NO_GUARD, 300, (share) => (share > 0.95 ? 40 : 60)).map(({ share }) => share);
    const raised = shares.flatMap((share, i) => (share === 1 && (shares[i - 1] ?? 1) < 1 ? [i] : []));
    expect(raised.length).toBeGreaterThan(2);
    const waits = raised.slice(1).map((at, i) => at - (raised[i] ?? 0));
    expect(waits).toEqual(waits.toSorted((a, b) => a - b));
    expect(shares.slice(60).filter((share) => share === 1).length).toBeLessThan(24);
    // Back from there by a step, not to the first cut.
    expect(Math.min(...shares.slice(60))).toBeGreaterThan(0.8);
  });

  test('a page that stutters by itself gets no more of our frames: after a fair try the guard lets go, and for ever longer', () => {
    const seen = run(NO_GUARD, 200, () => 30);
    const cut = seen.filter(({ share }) => share < 1).length;
    expect(cut).toBeGreaterThan(3);
    expect(cut).toBeLessThan(40);
    expect(seen.at(-1)?.pauseMs).toBeGreaterThan(TUNING.jankPauseMs);
  });

  test('long frames count as stutter where the rate alone looks good', () => {
    for (const [longMs, cut] of [
      [400, true],
      [0, false],
      ['unknown', false],
    ] as const) {
      let guard = NO_GUARD;
      for (const now of [1000, 2000]) guard = guardAfter(guard, { now, fps: 100, longMs }, true);
      expect(guard.share < 1).toBe(cut);
    }
  });

  test('one bad second is no reason, and a restless page that stutters by itself is told from ours', () => {
    const once = guardAfter(NO_GUARD, { now: 1000, fps: 20, longMs: 0 }, true);
    expect(once.share).toBe(1);
    expect(guardAfter(guardAfter(once, { now: 2000, fps: 60, longMs: 0 }, true), { now: 3000, fps: 20, longMs: 0 }, true).share).toBe(1); // prettier-ignore
    const random = mulberry32(4);
    const seen = run(NO_GUARD, 30, () => 38 + 16 * random());
    expect(seen.at(-1)?.share).toBe(1);
    expect(seen.at(-1)?.until).toBeGreaterThan(30_000);
  });

  test('does nothing while nothing runs, and takes nothing away where it cannot see', () => {
    expect(run(NO_GUARD, 10, () => 20, 0, false).every(({ share }) => share === 1)).toBe(true);
    const cut = run(NO_GUARD, 3, ours).at(-1) ?? NO_GUARD;
    expect(cut.share).toBeLessThan(1);
    expect(guardAfter(cut, { now: 9000, fps: 'unknown', longMs: 'unknown' }, true).share).toBe(1);
    expect(guardAfter(cut, { now: 9000, fps: NaN, longMs: 0 }, true).share).toBe(1);
  });
});

test('in the controller it cuts the duty before accuracy, and says so', () => {
  const controller = createController({ rungs: LADDER, budget: { latencyMs: 33, energy: 'balanced' }, now: 0 });
  const route = controller.route;
  const costMs = LADDER.find(({ id }) => id === route)?.costMs ?? NaN;
  controller.dispatch({ type: 'sample', now: 900, route, latencyMs: costMs });
  expect(controller.dispatch({ type: 'page', now: 1000, fps: 40, longMs: 0 })).toBeUndefined();
  controller.dispatch({ type: 'sample', now: 1900, route, latencyMs: costMs });
  const decision = controller.dispatch({ type: 'page', now: 2000, fps: 40, longMs: 0 });
  expect(decision).toMatchObject({ reason: 'page-jank', from: route, to: route });
  expect(decision?.duty).toBeLessThan(1);
  expect(controller.duty).toBe(decision?.duty);
  expect(controller.route).toBe(route);
  expect(controller.dispatch({ type: 'page', now: 2100, fps: 40, longMs: 0 })).toBeUndefined();
});
