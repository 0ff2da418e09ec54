/** What a profile makes of a device that is now and then slower. The device is a model with a clock of its own. */
import { describe, expect, test, vi } from 'vitest';
import type { DeviceProfile } from '../../../src/control/types';
import type { RouteInfo } from '../../../src/core/types';
import type { EngineApi, EngineInfo } from '../../../src/engine/api';
import { quickProfile, refinedProfile, thoroughProfile } from '../../../src/runtime/calibrate';

/** Two anchors of 12 blocks, 1 and 1.8 ms a block as widths of 96 and 128 make them, with 2 ms of overhead. */
const MS = { overhead: 2, s: 1, l: 1.8, stitch: 0.2 };
interface Route extends RouteInfo {
  readonly ms: number;
}
const pure = (id: 's' | 'l'): Route => ({
  id,
  path: [{ anchor: id, from: 0, to: 11 }],
  macs: id === 's' ? 12e6 : 21e6,
  ms: MS.overhead + 12 * MS[id],
});
const stitched = (at: number): Route => ({
  id: `s.${at}+l.${at + 1}`,
  path: [{ anchor: 's', from: 0, to: at }, { stitch: `${at}` }, { anchor: 'l', from: at + 1, to: 11 }],
  macs: (at + 1) * 1e6 + 1e5 + (11 - at) * 1.75e6,
  ms: MS.overhead + (at + 1) * MS.s + MS.stitch + (11 - at) * MS.l,
});
const ROUTES = [pure('s'), pure('l'), ...Array.from({ length: 11 }, (_, at) => stitched(at))];
const TRUE_MS = new Map(ROUTES.map(({ id, ms }) => [id, ms]));

const INFO = {
  executor: 'webgpu',
  bundle: { hash: 'h' },
  routes: ROUTES,
  ready: ROUTES.map(({ id }) => id),
} as unknown as EngineInfo;

/** `slowdown` of the nth visit (from 0) of the whole measurement. */
function device(slowdown: (visit: number) => number) {
  const visited: { readonly id: string; readonly frames: number }[] = [];
  const calibrate: EngineApi['calibrate'] = (ids, frames) => {
    const factor = slowdown(visited.length);
    visited.push(...ids.map((id) => ({ id, frames })));
    return Promise.resolve(
      ids.map((route) => ({ route, samplesMs: new Array<number>(frames).fill((TRUE_MS.get(route) ?? NaN) * factor) })),
    );
  };
  return { calibrate, visited };
}

const predicted = (profile: DeviceProfile, id: string): number =>
  profile.routes.find(({ route }) => route === id)?.predictedMs ?? NaN;
/** Largest error of the ratio of any route to the cheapest one, as a share. */
function ratioError(profile: DeviceProfile): number {
  const scale = predicted(profile, 's') / (TRUE_MS.get('s') ?? NaN);
  return Math.max(...ROUTES.map(({ id, ms }) => Math.abs(predicted(profile, id) / (ms * scale) - 1)));
}

const visit = <T>(work: () => Promise<T>): Promise<T> => work();

describe('a profile that is made anew while frames are answered', () => {
  const refine = (slowdown: (at: number) => number) => {
    const made = device(slowdown);
    return { made, profile: refinedProfile(made, INFO, { source: 'refined', visit }) };
  };

  test('has the ratios of a device whose every moment is alike, and says what it is', async () => {
    const { made, profile } = refine(() => 1.5);
    expect(ratioError(await profile)).toBeLessThan(0.01);
    expect(await profile).toMatchObject({ source: 'refined' });
    // Somebody waits for a frame while a visit runs: it is short.
    expect(Math.max(...made.visited.map(({ frames }) => frames))).toBe(1);
  });

  test('keeps the ratios where the device is three times as slow for one visit, whichever', async () => {
    const { visited } = refine(() => 1).made;
    await new Promise((resolve) => setTimeout(resolve));
    expect(visited.length).toBeGreaterThan(5);
    for (let slow = 0; slow < visited.length; slow++) {
      const profile = await refine((at) => (at === slow ? 3 : 1)).profile;
      expect(ratioError(profile), `visit ${slow}`).toBeLessThan(0.05);
    }
  });

  test('never takes the larger anchor for the cheaper one because of a slow second, whenever that begins and however long', async () => {
    const all = refine(() => 1);
    await all.profile;
    const count = all.made.visited.length;
    for (let from = 0; from < count; from++) {
      for (let length = 1; length <= count; length++) {
        const profile = await refine((at) => (at >= from && at < from + length ? 2 : 1)).profile;
        expect(predicted(profile, 's') / predicted(profile, 'l'), `${from} + ${length}`).toBeLessThan(0.85);
      }
    }
  });
});

describe('the other two ways', () => {
  test('at start one route is measured where the bundle brings priors, and all that is needed where it brings none', async () => {
    const priors = ROUTES.map(({ id, ms }) => ({ route: id, medianMs: ms * 4 }));
    const known = device(() => 1);
    const fromPriors = await quickProfile(known, { ...INFO, priors });
    expect(known.visited.map(({ id }) => id)).toEqual(['s']);
    expect(ratioError(fromPriors)).toBeLessThan(0.01);
    expect(predicted(fromPriors, 's')).toBeCloseTo(14, 1);
    expect(fromPriors.source).toBe('priors');
    const bare = device(() => 1);
    expect(ratioError(await quickProfile(bare, INFO))).toBeLessThan(0.01);
    expect(bare.visited.map(({ id }) => id).slice(0, 2)).toEqual(['s', 'l']);
  });

  test('a thorough one keeps the ratios over a slow third of the time, and states its error on routes it did not fit', async () => {
    const made = device((at) => (at >= 20 && at < 38 ? 2 : 1));
    const profile = await thoroughProfile(made, INFO);
    expect(ratioError(profile)).toBeLessThan(0.05);
    expect(profile.medianError).toBeGreaterThanOrEqual(0);
    expect(profile.medianError).toBeLessThan(0.05);
  });
});

describe('on a slow device', () => {
  /** Visits take their time by the clock; 0.6 s a frame of the smaller anchor, so that one visit of each route takes longer than is allowed. */
  async function timed(make: (link: Pick<EngineApi, 'calibrate'>) => Promise<DeviceProfile>) {
    vi.useFakeTimers();
    const visited: string[] = [];
    const calibrate: EngineApi['calibrate'] = ([id = ''], frames) => {
      visited.push(id);
      vi.advanceTimersByTime((TRUE_MS.get(id) ?? NaN) * 43 * (frames + 1));
      return Promise.resolve([{ route: id, samplesMs: new Array<number>(frames).fill((TRUE_MS.get(id) ?? NaN) * 43) }]);
    };
    const start = performance.now();
    try {
      const profile = await make({ calibrate });
      return { profile, visited, ms: performance.now() - start };
    } finally {
      vi.useRealTimers();
    }
  }

  test('a thorough profile ends in time, whatever the order, and has what fits', async () => {
    const short = await timed((link) => thoroughProfile(link, INFO, { maxMs: 3000 }));
    expect(short.ms).toBeLessThanOrEqual(3000);
    expect(short.visited).toEqual(['s', 's.10+l.11']);
    const full = await timed((link) => thoroughProfile(link, INFO));
    expect(full.ms).toBeLessThanOrEqual(10_000);
    expect(full.visited).toContain('l');
    expect(ratioError(full.profile)).toBeLessThan(0.02);
  });

  test('the first profile ends in time, too', async () => {
    const { ms, visited, profile } = await timed((link) => quickProfile(link, INFO));
    expect(ms).toBeLessThanOrEqual(10_000);
    expect(visited.slice(0, 2)).toEqual(['s', 'l']);
    expect(predicted(profile, 's')).toBeLessThan(predicted(profile, 'l'));
  });
});
