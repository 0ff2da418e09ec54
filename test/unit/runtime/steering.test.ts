import { describe, expect, it } from 'vitest';
import { createSteering } from '../../../src/runtime/steering';

const ROUTE = { id: 'a', path: [{ anchor: 'a', from: 0, to: 1 }], macs: 1e6, top1: 0.5 };

const steering = () =>
  createSteering({
    routes: [ROUTE],
    ready: ['a'],
    profile: {
      format: 'running-stitch-profile/1',
      key: 'here',
      measuredAt: '2026-01-01T00:00:00Z',
      overheadMs: 1,
      routes: [{ route: 'a', predictedMs: 10 }],
      medianError: 0,
      source: 'measured',
    },
    budget: { latencyMs: 33, energy: 'performance' },
    signals: { battery: { known: false }, pressure: 'unknown', visible: true, saveData: false },
    onDecision: () => {},
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
