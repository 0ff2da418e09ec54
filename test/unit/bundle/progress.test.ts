import { describe, expect, it } from 'vitest';
import { type BundleProgress, ProgressMeter } from '../../../src/bundle/progress';

const file = (name: string, bytes: number) => ({ file: name, bytes, sha256: '' });

function meter() {
  let now = 0;
  const seen: BundleProgress[] = [];
  const made = new ProgressMeter([file('a', 1000), file('b', 9000)], (progress) => seen.push(progress), () => now); // prettier-ignore
  return { meter: made, last: () => seen.at(-1)!, wait: (ms: number) => (now += ms) };
}

describe('the progress meter', () => {
  it('tells the time that is left at the pace of the last seconds', () => {
    const { meter: m, last, wait } = meter();
    m.add('a', 100, false);
    expect(last().etaMs).toBeUndefined();
    for (let i = 0; i < 9; i++) {
      wait(1000);
      m.add('a', 100, false);
    }
    // 500 or 600 bytes in the last five seconds; 9,000 are left.
    expect(last().etaMs).toBeGreaterThan(70_000);
    expect(last().etaMs).toBeLessThan(95_000);
    // Ten times as fast from here on: the old pace is forgotten within the window.
    for (let i = 0; i < 60; i++) {
      wait(100);
      m.add('b', 100, false);
    }
    expect(last().etaMs).toBeGreaterThan(2800);
    expect(last().etaMs).toBeLessThan(3200);
  });

  it('does not count a pause between two loads', () => {
    const { meter: m, last, wait } = meter();
    m.add('a', 1000, false);
    wait(600_000);
    for (let i = 0; i < 10; i++) {
      wait(100);
      m.add('b', 100, false);
    }
    expect(last().etaMs).toBeLessThan(10_000);
  });

  it('knows no pace from what was in the store, and none is needed at the end', () => {
    const { meter: m, last, wait } = meter();
    wait(1000);
    m.add('a', 1000, true);
    wait(1000);
    m.add('b', 4000, true);
    expect(last()).toEqual({ bytesLoaded: 5000, bytesTotal: 10_000, bytesFromCache: 5000 });
    m.restart('b');
    m.add('b', 4000, false);
    wait(1000);
    m.add('b', 5000, false);
    expect(last()).toEqual({ bytesLoaded: 10_000, bytesTotal: 10_000, bytesFromCache: 1000 });
  });

  it('counts towards what is planned, and what is here counts anyway', () => {
    const { meter: m, last } = meter();
    m.plan([file('a', 1000)]);
    m.add('a', 1000, false);
    expect(last()).toMatchObject({ bytesLoaded: 1000, bytesTotal: 1000 });
    m.add('b', 500, false);
    expect(last()).toMatchObject({ bytesLoaded: 1500, bytesTotal: 1500 });
    m.plan([file('a', 1000), file('b', 9000)]);
    m.add('b', 8500, false);
    expect(last()).toMatchObject({ bytesLoaded: 10_000, bytesTotal: 10_000 });
  });
});
