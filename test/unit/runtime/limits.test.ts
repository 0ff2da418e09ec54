import { describe, expect, it } from 'vitest';
import { loadLimits } from '../../../src/runtime/limits';

const MIB = 2 ** 20;
const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1';
const MAC = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15';

describe('loadLimits', () => {
  it('knows no limit where the browser tells nothing', () => {
    expect(loadLimits({}, {})).toEqual({ saveData: false });
    expect(loadLimits({ userAgent: MAC }, {})).toEqual({ saveData: false });
  });

  it('takes a sixteenth of the memory', () => {
    expect(loadLimits({ deviceMemory: 8 }, {}).memoryBytes).toBe(512 * MIB);
    expect(loadLimits({ deviceMemory: 0.5 }, {}).memoryBytes).toBe(32 * MIB);
  });

  it('takes a phone that tells nothing for a small one', () => {
    expect(loadLimits({ userAgent: IPHONE }, {}).memoryBytes).toBe(128 * MIB);
    expect(loadLimits({ userAgentData: { mobile: true } }, {}).memoryBytes).toBe(128 * MIB);
    expect(loadLimits({ userAgentData: { mobile: true }, deviceMemory: 4 }, {}).memoryBytes).toBe(256 * MIB);
    expect(loadLimits({ userAgentData: { mobile: false }, userAgent: IPHONE }, {}).memoryBytes).toBeUndefined();
  });

  it('saves data where the user does, and on a mobile or slow link', () => {
    expect(loadLimits({ connection: { saveData: true, effectiveType: '4g' } }, {}).saveData).toBe(true);
    expect(loadLimits({ connection: { effectiveType: '2g' } }, {}).saveData).toBe(true);
    expect(loadLimits({ connection: { effectiveType: '4g' } }, {}).saveData).toBe(false);
    expect(loadLimits({ connection: { type: 'cellular', effectiveType: '4g' } }, {}).saveData).toBe(true);
    expect(loadLimits({ connection: { type: 'wifi', effectiveType: '4g' } }, {}).saveData).toBe(false);
  });

  it('passes on what the host wants and what crashed', () => {
    const wishes = { maxAnchor: 's', meteredAnchor: 't', crashedAt: 'b' };
    expect(loadLimits({}, wishes)).toMatchObject(wishes);
  });
});
