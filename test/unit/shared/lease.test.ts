import { describe, expect, it } from 'vitest';
import { strictest } from '../../../src/shared/lease';

describe('the budget of several', () => {
  it('is the smallest latency and the thriftiest energy mode', () => {
    expect(strictest([{ latencyMs: 40, energy: 'performance' }, { latencyMs: 20 }, { energy: 'balanced' }])).toEqual({
      latencyMs: 20,
      energy: 'balanced',
    });
  });

  it('leaves out what nobody wishes', () => {
    expect(strictest([{}, {}])).toEqual({});
    expect(strictest([{ energy: 'saver' }, {}])).toEqual({ energy: 'saver' });
  });
});
