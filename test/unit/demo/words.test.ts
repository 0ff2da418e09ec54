/** What the demo says of a load while it goes on. */
import { describe, expect, it } from 'vitest';
import { etaText, leftText, progressText } from '../../../src/demo/ui/words';
import type { LoadProgress } from '../../../src/index';

const HALF: LoadProgress = { phase: 'shards', bytesLoaded: 6e6, bytesTotal: 12e6, bytesFromCache: 0 };

describe('the progress of a load', () => {
  it('names phase, bytes, what was kept, and the time left', () => {
    expect(progressText(HALF)).toBe('Fetching the weights… 6.0 MB of 12 MB');
    expect(progressText({ ...HALF, bytesFromCache: 2e6, etaMs: 41_000 })).toBe(
      'Fetching the weights… 6.0 MB of 12 MB, 2.0 MB of it already on this device, about 40 s left',
    );
    expect(progressText({ ...HALF, phase: 'ready', etaMs: 41_000 })).toBe('Ready…');
    expect(progressText({ phase: 'manifest', bytesLoaded: 0, bytesTotal: 0, bytesFromCache: 0 })).toBe(
      'Reading the list of parts…',
    );
  });

  it('foresees nothing without a pace, nor from the last byte when no more come', () => {
    expect(etaText({ ...HALF, etaMs: 8000 })).toBe(', about 8 s left');
    expect(etaText(HALF)).toBe('');
    expect(etaText({ ...HALF, phase: 'check', etaMs: 8000 })).toBe('');
  });

  it('counts the time left in steps that grow with it', () => {
    expect([1900, 2000, 19_400, 22_000, 98_000, 100_000, 200_000].map(leftText)).toEqual([
      'almost done',
      'about 2 s left',
      'about 19 s left',
      'about 20 s left',
      'about 100 s left',
      'about 2 min left',
      'about 3 min left',
    ]);
  });
});
