/** The controller in a real browser: profiles that are measured and kept, records that replay, and real load. */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  createRuntime,
  type DeviceProfile,
  type PixelFrame,
  type Runtime,
  type RuntimeOptions,
  type StitchError,
} from '../../../src/index';
import { replay, slowdownCsv, parseTrace } from '../../../src/control/index';
import { startBurners } from '../../support/burner';

const BUNDLE = new URL('../../fixtures/tiny/manifest.json', import.meta.url);
/** A network large enough that another program's load is felt by every frame. */
const LARGE = '/models/photos/manifest.json';

// A busy test machine reports critical pressure, which rightly forces the lowest rung; that is tested on its own.
vi.stubGlobal('PressureObserver', undefined);

const grey = (side: number): PixelFrame => ({
  data: new Uint8ClampedArray(side * side * 4).fill(120),
  width: side,
  height: side,
});

function drawn(): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 64;
  canvas.getContext('2d')?.fillRect(0, 0, 64, 64);
  return canvas;
}

/** Removes the kept profiles, and only those. */
async function forgetProfiles(): Promise<void> {
  const { createStore, delMany, keys } = await import('idb-keyval');
  const table = createStore('running-stitch', 'shards');
  await delMany((await keys<string>(table)).filter((key) => key.startsWith('profile:')), table); // prettier-ignore
}

describe('the profile', () => {
  const made: Runtime[] = [];
  const open = async (cache: boolean, options: Partial<RuntimeOptions> = {}) => {
    const runtime = await createRuntime({ bundle: BUNDLE, backend: 'cpu', cache, waitFor: 'all', ...options });
    made.push(runtime);
    return runtime;
  };
  afterEach(async () => {
    await Promise.all(made.splice(0).map((runtime) => runtime.dispose()));
    await forgetProfiles();
  });

  it('names every route, with positive times, and what was measured', async () => {
    const { profile, routes, ladder } = await open(false);
    expect(profile).toMatchObject({ format: 'running-stitch-profile/1', source: 'measured' });
    expect(profile.routes.map(({ route }) => route).sort()).toEqual(routes.map(({ id }) => id).sort());
    expect(profile.routes.every(({ predictedMs }) => predictedMs > 0)).toBe(true);
    expect(profile.routes.some(({ measuredMs }) => measuredMs !== undefined)).toBe(true);
    for (const { id, costMs } of ladder) {
      expect(profile.routes.find(({ route }) => route === id)?.predictedMs).toBe(costMs);
    }
  });

  it('is kept and found again; a calibration replaces it, changes the ladder and says so', async () => {
    const first = await open(true);
    expect(first.profile.source).toBe('measured');
    const seen: DeviceProfile[] = [];
    first.on('profile', (profile) => seen.push(profile));
    const steps: number[] = [];
    const calibrated = await first.calibrate({
      onProgress: ({ done, total, route }) => {
        expect(first.routes.map(({ id }) => id)).toContain(route);
        steps.push(done / total);
      },
    });
    expect(seen).toEqual([calibrated]);
    expect(first.profile).toBe(calibrated);
    expect(calibrated.measuredAt >= first.profile.measuredAt).toBe(true);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
    expect(steps.at(-1)).toBe(1);
    for (const { id, costMs } of first.ladder) {
      expect(calibrated.routes.find(({ route }) => route === id)?.predictedMs).toBe(costMs);
    }
    // Writing is not waited for by calibrate().
    await expect
      .poll(async () => (await open(true)).profile, { timeout: 30_000, interval: 200 })
      .toEqual({ ...calibrated, source: 'stored' });
  });

  it.each(['at the next visit', 'when the other is loaded'])(
    'of one network only is completed by what another costs: %s',
    async (when) => {
      const small = await open(true, { maxAnchor: 'a' });
      const measured = ({ profile }: Runtime) =>
        profile.routes.flatMap(({ route, measuredMs }) => (measuredMs === undefined ? [] : [route]));
      expect(measured(small)).not.toContain('b');
      const runtime = when === 'at the next visit' ? await open(true) : small;
      if (runtime === small) await small.loadMore('b');
      else expect(runtime.profile.source).toBe('stored');
      await expect.poll(() => measured(runtime), { timeout: 30_000 }).toContain('b');
    },
  );

  it('is not kept where nothing may be, and damage to what is kept is no profile', async () => {
    await open(false);
    const { createStore, keys, set } = await import('idb-keyval');
    const table = createStore('running-stitch', 'shards');
    const profiles = async () => (await keys<string>(table)).filter((key) => key.startsWith('profile:'));
    expect(await profiles()).toEqual([]);
    await open(true);
    await expect.poll(profiles).toHaveLength(1);
    for (const key of await profiles())
      await set(key, { format: 'running-stitch-profile/1', key: key.slice(8), routes: [] }, table);
    expect((await open(true)).profile.source).toBe('measured');
  });

  it('is measured again, between frames, when live frames say that what was kept no longer holds', async () => {
    await open(true);
    const { createStore, get, keys, set } = await import('idb-keyval');
    const table = createStore('running-stitch', 'shards');
    const kept = async () => (await keys<string>(table)).find((key) => key.startsWith('profile:'));
    await expect.poll(kept).toBeDefined();
    const key = (await kept()) ?? '';
    const profile = (await get<DeviceProfile>(key, table)) as DeviceProfile;
    const routes = profile.routes.map((one) => ({ ...one, predictedMs: one.predictedMs * 8 }));
    await set(key, { ...profile, routes }, table);
    const runtime = await open(true);
    expect(runtime.profile).toEqual({ ...profile, routes, source: 'stored' });
    const refined = new Promise<DeviceProfile>((resolve) => runtime.on('profile', resolve));
    const recording = runtime.record();
    const stop = runtime.watch(drawn());
    const now = await refined;
    stop();
    expect(now.source).toBe('refined');
    expect(runtime.profile).toBe(now);
    const sum = (of: DeviceProfile) => of.routes.reduce((ms, { predictedMs }) => ms + predictedMs, 0);
    expect(sum(now)).toBeLessThan(sum({ ...profile, routes }) / 2);
    // It reaches the controller as an event, so the record replays.
    const again = replay(recording.stop().split('\n'));
    expect(again.events.some(({ type }) => type === 'ladder')).toBe(true);
    expect(again.differsAt).toBeUndefined();
  });

  it('a cancelled calibration leaves everything as it was; a limit is kept, a bad one refused', async () => {
    const runtime = await open(false);
    const before = runtime.profile;
    const controller = new AbortController();
    const cancelled = runtime.calibrate({ signal: controller.signal, onProgress: () => controller.abort() });
    await expect(cancelled).rejects.toMatchObject({ code: 'aborted' });
    expect(runtime.profile).toBe(before);
    for (const maxMs of [0, -1, NaN, 10_001]) {
      await expect(runtime.calibrate({ maxMs })).rejects.toMatchObject({ code: 'argument-invalid' });
    }
    const short = await runtime.calibrate({ maxMs: 1 });
    expect(short.routes.filter(({ measuredMs }) => measuredMs !== undefined)).toHaveLength(1);
  });

  it('calibrates and checks itself while a source is watched: frames wait and go on', async () => {
    const runtime = await open(false);
    let answers = 0;
    const errors: StitchError[] = [];
    runtime.on('result', () => (answers += 1));
    runtime.on('error', (error) => errors.push(error));
    const stop = runtime.watch(drawn());
    await expect.poll(() => answers, { timeout: 30_000 }).toBeGreaterThan(2);
    expect((await runtime.selfCheck()).passed).toBe(true);
    const running = runtime.calibrate({ maxMs: 500 });
    await expect(runtime.calibrate()).rejects.toMatchObject({ code: 'busy' });
    await expect(runtime.classify(grey(16))).rejects.toMatchObject({ code: 'busy' });
    await running;
    const before = answers;
    await expect.poll(() => answers, { timeout: 30_000 }).toBeGreaterThan(before + 2);
    stop();
    expect(errors).toEqual([]);
  });
});

describe('a record', () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createRuntime({ bundle: BUNDLE, backend: 'cpu', cache: false, waitFor: 'all' });
  });
  afterAll(() => runtime.dispose());

  it('begun in the middle replays to the bit, with every kind of event, and gives a trace for the simulator', async () => {
    for (let i = 0; i < 30; i++) await runtime.classify(grey(16));
    const recording = runtime.record();
    const told: unknown[] = [];
    runtime.on('switch', (decision) => told.push(decision));
    for (let i = 0; i < 90; i++) {
      if (i === 20) runtime.budget = { latencyMs: 0.01, energy: 'saver' };
      if (i === 40) runtime.budget = { latencyMs: 1000, energy: 'balanced' };
      if (i === 60) runtime.mode = { kind: 'lock', route: runtime.routes[0]?.id ?? '' };
      if (i === 70) runtime.mode = { kind: 'auto' };
      if (i === 80) await runtime.calibrate({ maxMs: 100 });
      await runtime.classify(grey(16));
    }
    const text = recording.stop();
    await runtime.classify(grey(16));
    expect(recording.stop()).toBe(text);
    const again = replay(text.split('\n'));
    expect(again.differsAt).toBeUndefined();
    expect(again.recorded.length).toBeGreaterThan(3);
    expect(again.recorded.slice(1)).toEqual(told);
    expect(again.events.filter(({ type }) => type === 'sample')).toHaveLength(90);
    expect(new Set(again.events.map(({ type }) => type))).toEqual(new Set(['sample', 'budget', 'mode', 'ladder']));
    const trace = parseTrace(slowdownCsv(again));
    expect(trace.seconds).toBeGreaterThan(0);
    expect(trace.slowdown(0)).toBeGreaterThan(0);
  });
});

describe('the status', () => {
  it('says what the plan, the page and the device allow', async () => {
    const runtime = await createRuntime({
      bundle: BUNDLE,
      backend: 'cpu',
      cache: false,
      waitFor: 'all',
      budget: { latencyMs: 100, energy: 'saver' },
    });
    const snapshots: {
      busySecondsPerMinute: number;
      pageFps: unknown;
      planSecondsPerMinute: number;
      thermal: string;
      duty: number;
    }[] = [];
    runtime.on('snapshot', (snapshot) => snapshots.push(snapshot));
    const stop = runtime.watch(drawn());
    await expect.poll(() => snapshots.some(({ pageFps }) => pageFps !== 'unknown'), { timeout: 30_000 }).toBe(true);
    stop();
    for (const { busySecondsPerMinute, planSecondsPerMinute, thermal, duty } of snapshots) {
      expect(busySecondsPerMinute).toBeGreaterThan(0);
      expect(busySecondsPerMinute).toBeLessThanOrEqual(60.5);
      expect(planSecondsPerMinute).toBeLessThan(60);
      expect(thermal).toBe('steady');
      expect(duty).toBeGreaterThan(0);
      expect(duty).toBeLessThanOrEqual(1);
    }
    await runtime.dispose();
  });
});

describe('under real load', () => {
  it('the route steps down within 10 frames, and climbs back within 60 s after the load has ended', async () => {
    const runtime = await createRuntime({ bundle: LARGE, backend: 'wasm', cache: false, waitFor: 'all', guardPage: false });
    const canvas = drawn();
    const top = runtime.ladder.at(-1)?.id ?? '';
    // What the dearest route takes here when nothing of ours is in its way, spikes included: the load must stand out from it.
    const calm: number[] = [];
    for (let i = 0; i < 40; i++) calm.push((await runtime.classify(canvas, { route: top })).timing.totalMs);
    const usual = calm.slice(5).sort((a, b) => a - b)[Math.floor(0.9 * 35)] ?? 0;
    runtime.budget = { latencyMs: 2 * usual, energy: 'performance' };
    const rung = (id: string): number => runtime.ladder.findIndex((one) => one.id === id);
    const stop = runtime.watch(canvas);
    const settled = new Promise<string>((resolve) => {
      let frames = 0;
      const off = runtime.on('result', ({ route }) => {
        if (++frames < 30 || rung(route) < 1) return;
        off();
        resolve(route);
      });
    });
    const before = await settled;

    let late = 0;
    const counting = runtime.on('result', ({ timing }) => {
      if (late > 0 || timing.totalMs > runtime.budget.latencyMs) late += 1;
    });
    const down = new Promise<number>((resolve) => {
      const off = runtime.on('switch', ({ from, to }) => {
        if (rung(to) >= rung(from)) return;
        off();
        resolve(late);
      });
    });
    const burners = startBurners(Math.min(64, 8 * navigator.hardwareConcurrency));
    const framesToStepDown = await down;
    counting();
    burners();
    const endedAt = performance.now();
    const up = new Promise<number>((resolve) => {
      const off = runtime.on('switch', ({ to }) => {
        if (rung(to) < rung(before)) return;
        off();
        resolve(performance.now() - endedAt);
      });
    });
    const msToClimbBack = await up;
    stop();
    await runtime.dispose();
    expect(framesToStepDown).toBeLessThanOrEqual(10);
    expect(msToClimbBack).toBeLessThanOrEqual(60_000);
  });
});
