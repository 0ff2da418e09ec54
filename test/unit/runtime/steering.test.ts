import { describe, expect, it } from 'vitest';
import type { Decision } from '../../../src/control/types';
import { createSteering } from '../../../src/runtime/steering';

const ROUTE = { id: 'a', path: [{ anchor: 'a', from: 0, to: 1 }], macs: 1e6, top1: 0.5 };
/** Takes as long and is worse. */
const DOMINATED = { ...ROUTE, id: 'b', macs: 1.1e6, top1: 0.4 };
const OTHER = { ...DOMINATED, id: 'd', macs: 1.2e6 };
const LATER = { ...ROUTE, id: 'c', macs: 2e6, top1: 0.6 };

const steering = (onDecision: (decision: Decision) => void = () => {}, ready: readonly string[] = ['a', 'b']) =>
  createSteering({
    routes: [ROUTE, DOMINATED, OTHER, LATER],
    ready,
    profile: {
      format: 'running-stitch-profile/1',
      key: 'here',
      measuredAt: '2026-01-01T00:00:00Z',
      overheadMs: 1,
      routes: [{ route: 'a', predictedMs: 10 }, { route: 'b', predictedMs: 11 }, { route: 'd', predictedMs: 12 }, { route: 'c', predictedMs: 20 }], // prettier-ignore
      medianError: 0,
      source: 'measured',
    },
    budget: { latencyMs: 33, energy: 'performance' },
    signals: { battery: { known: false }, pressure: 'unknown', visible: true, saveData: false },
    onDecision,
    onDrift: () => {},
  });

describe('what a frame says of the device', () => {
  it('is what it took, without its wait for the frame before', () => {
    const waiting = steering();
    const slow = steering();
    for (let i = 0; i < 30; i++) {
      waiting.frame('a', { totalMs: 30, encodeMs: 1, queuedMs: 20 });
      slow.frame('a', { totalMs: 30, encodeMs: 1 });
    }
    expect(waiting.status.slowdown).toBeCloseTo(1, 1);
    expect(slow.status.slowdown).toBeGreaterThan(1.5);
  });
});

describe('a cap or a floor that cannot be', () => {
  it.each([
    ['nowhere', /^No route "nowhere" here\. Choose one of a, b\.$/],
    ['c', /^Route "c" is not loaded yet\. Await runtime\.loaded/],
    ['b', /^Route "b" is not on this device's ladder: .* Choose one of a\.$/],
  ])('is refused with what is wrong: %s', (route, text) => {
    const made = steering();
    for (const kind of ['cap', 'floor'] as const) {
      expect(() => (made.mode = { kind, route })).toThrow(
        expect.objectContaining({ code: 'route-unknown', message: expect.stringMatching(text) }),
      );
    }
    expect(made.mode).toEqual({ kind: 'auto' });
  });
});

describe('a lock off the ladder', () => {
  it('is taken and left with one switch each, also for another such route', () => {
    const routes: string[] = [];
    const made = steering(({ to }) => routes.push(to), ['a', 'b', 'c', 'd']);
    made.mode = { kind: 'lock', route: 'b' };
    expect(routes).toEqual(['b']);
    made.mode = { kind: 'lock', route: 'd' };
    expect(routes).toEqual(['b', 'd']);
    made.mode = { kind: 'auto' };
    expect(routes).toEqual(['b', 'd', 'c']);
    expect(made.ladder.map(({ id }) => id)).toEqual(['a', 'c']);
  });
});
