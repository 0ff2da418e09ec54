/** Routes are unlocked while frames are answered; how far, is a matter of what the host, the user and the device want. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  createRuntime,
  type LoadProgress,
  type PixelFrame,
  type RouteState,
  type Runtime,
  type RuntimeOptions,
  storage,
  StitchError,
} from '../../../src/index';

const BUNDLE = new URL('../../fixtures/tiny/manifest.json', import.meta.url).href;
const MARK = `running-stitch:loading:${BUNDLE}`;

vi.stubGlobal('PressureObserver', undefined);

const grey = (side: number): PixelFrame => ({
  data: new Uint8ClampedArray(side * side * 4).fill(120),
  width: side,
  height: side,
});
const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => 'none',
    (error: unknown) => (error instanceof StitchError ? error.code : String(error)),
  );

/** An engine whose server has damaged the files of the larger anchor. */
const damaged = () => new Worker(new URL('./damaged.worker.ts', import.meta.url), { type: 'module' });

let runtime: Runtime | undefined;
const load = async (options: Partial<RuntimeOptions> = {}): Promise<Runtime> =>
  (runtime = await createRuntime({ bundle: BUNDLE, backend: 'cpu', cache: false, ...options }));
const available = (list: readonly RouteState[] | undefined = runtime?.routes): string[] =>
  (list ?? []).flatMap((route) => (route.available ? [route.id] : []));
const usesOnly = (anchor: string) =>
  runtime?.routes.flatMap(({ id, path }) => (path.every((s) => 'anchor' in s && s.anchor === anchor) ? [id] : []));

beforeEach(() => localStorage.removeItem(MARK));
afterEach(async () => {
  await runtime?.dispose();
  runtime = undefined;
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  vi.stubGlobal('PressureObserver', undefined);
});

describe('progressive loading', () => {
  for (const backend of ['cpu', 'webgpu'] as const) {
    it(`answers with the smallest anchor first, and unlocks the others while frames run on ${backend}`, async () => {
      const made = await load({ backend });
      expect(available()).toEqual(usesOnly('a'));
      expect(made.ladder.map(({ id }) => id)).toEqual(available());
      expect(made.check.routes.map(({ route }) => route)).toEqual(available());
      const unlocked: number[] = [];
      const progress: LoadProgress[] = [];
      const switched: string[] = [];
      made.on('routes', (routes) => unlocked.push(available(routes).length));
      made.on('progress', (step) => progress.push(step));
      made.on('switch', ({ to }) => switched.push(to));
      made.budget = { latencyMs: 1e6, energy: 'performance' };
      let all = false;
      const loaded = made.loaded.then(() => (all = true));
      let frames = 0;
      for (; !all; frames++) {
        const answer = await made.classify(grey(24));
        expect(answer.top[0]?.probability).toBeGreaterThan(0);
      }
      await loaded;
      expect(frames).toBeGreaterThan(0);
      expect(available()).toEqual(made.routes.map(({ id }) => id));
      // Group by group, and the ladder with them.
      expect(unlocked.length).toBeGreaterThan(1);
      expect(unlocked).toEqual(unlocked.toSorted((a, b) => a - b));
      expect(made.ladder.length).toBeGreaterThan(1);
      // With such a budget a better route is taken when there is one; where loading was quick, after the controller's dwell.
      for (const end = performance.now() + 20_000; switched.length === 0 && performance.now() < end;) {
        // Busy: the device is measured once everything is there. A refusal comes at once, and the page's queue needs its turn.
        expect(['none', 'busy']).toContain(await codeOf(made.classify(grey(24))));
        await new Promise((next) => setTimeout(next));
      }
      expect(switched.length).toBeGreaterThan(0);
      expect(usesOnly('a')).not.toContain(made.route);
      const bytes = progress.map(({ bytesLoaded }) => bytesLoaded);
      expect(bytes).toEqual(bytes.toSorted((a, b) => a - b));
      expect(progress.at(-1)).toMatchObject({ phase: 'ready', bytesLoaded: progress.at(-1)?.bytesTotal });
      expect(made.check).toMatchObject({ passed: true });
      expect(made.check.routes.map(({ route }) => route).toSorted()).toEqual(['a', 'a.0+b.1', 'a.1+b.0', 'a.1+b.2~raw', 'b']);
    });
  }

  it('stops where the host says, and goes on when it is told to', async () => {
    const totals: number[] = [];
    const made = await load({ maxAnchor: 'a', waitFor: 'all', onProgress: ({ bytesTotal }) => totals.push(bytesTotal) });
    expect(made.tiers).toMatchObject([
      { anchor: 'a', planned: true },
      { anchor: 'b', planned: false, limit: 'asked' },
    ]);
    await made.loaded;
    expect(available()).toEqual(usesOnly('a'));
    const whole = made.tiers.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(totals.at(-1)).toBeLessThan(whole / 2);
    const early = await made.classify(grey(8), { route: 'b' }).catch((error: unknown) => error);
    expect(early).toMatchObject({ code: 'route-unknown' });
    expect(String(early)).toMatch(/not loaded yet/);
    await made.loadMore('b');
    expect((await made.classify(grey(8), { route: 'b' })).route).toBe('b');
    await made.loadMore();
    expect(await codeOf(made.loadMore('c'))).toBe('argument-invalid');
  });

  it('refuses an anchor that the bundle does not have', async () => {
    expect(await codeOf(load({ maxAnchor: 'huge' }))).toBe('argument-invalid');
    expect(await codeOf(load({ meteredAnchor: 'huge' }))).toBe('argument-invalid');
  });

  it('loads the smallest anchor only for who saves data, or as much as the host says', async () => {
    vi.stubGlobal('navigator', new Proxy(navigator, { get: (target, key) => key === 'connection' ? { saveData: true } : bound(target, key) })); // prettier-ignore
    const made = await load();
    await made.loaded;
    expect(made.tiers[1]).toMatchObject({ planned: false, limit: 'save-data' });
    expect(available()).toEqual(usesOnly('a'));
    await made.dispose();
    expect((await load({ meteredAnchor: 'b' })).tiers[1]).toMatchObject({ planned: true });
  });

  it('goes on with what is there where the rest is damaged', async () => {
    const said: StitchError[] = [];
    const made = await load({ worker: damaged });
    made.on('error', (error) => said.push(error));
    expect(await codeOf(made.loaded)).toBe('bundle-integrity');
    await expect.poll(() => said).toMatchObject([{ code: 'bundle-integrity', recoverable: true, detail: { partial: true } }]);
    expect((await made.classify(grey(8))).route).toBe('a');
    expect(available()).toEqual(usesOnly('a'));
  });

  it('an abort stops the rest, keeps what is there, and can be taken back', async () => {
    const controller = new AbortController();
    const made = await load({ signal: controller.signal });
    const loaded = codeOf(made.loaded);
    controller.abort();
    expect(await loaded).toBe('aborted');
    expect((await made.classify(grey(8))).top.length).toBeGreaterThan(0);
    await made.loadMore();
    expect(available()).toHaveLength(made.routes.length);
  });
});

describe('an abort before the first answer', () => {
  // Tried again, because a busy machine may pause any process for longer than the bound.
  it.each(['manifest', 'shards', 'check', 'measure'] as const)(
    'in phase "%s" is over within 100 ms',
    { retry: 3 },
    async (phase) => {
      const controller = new AbortController();
      let abortedAt = Number.NaN;
      const ended: number[] = [];
      const call = load({
        backend: 'webgpu',
        signal: controller.signal,
        worker() {
          const worker = new Worker(new URL('../../../src/engine/worker.ts', import.meta.url), { type: 'module' });
          const { terminate } = worker;
          worker.terminate = () => {
            ended.push(performance.now());
            terminate.call(worker);
          };
          return worker;
        },
        onProgress(progress) {
          if (progress.phase !== phase || controller.signal.aborted) return;
          abortedAt = performance.now();
          controller.abort();
        },
      });
      expect(await codeOf(call)).toBe('aborted');
      expect(performance.now() - abortedAt).toBeLessThan(100);
      // Nothing of it goes on: its worker is gone, and with it the device.
      expect(ended.length).toBeGreaterThan(0);
      expect((ended[0] ?? Infinity) - abortedAt).toBeLessThan(100);
    },
  );
});

describe('the crash marker', () => {
  it('stands while a larger anchor loads, and is struck out after', async () => {
    const made = await load();
    const seen: (string | null)[] = [];
    made.on('progress', () => seen.push(localStorage.getItem(MARK)));
    await made.loaded;
    expect(seen.some((mark) => mark?.includes('"anchor":"b"'))).toBe(true);
    await expect.poll(() => localStorage.getItem(MARK)).toBeNull();
  });

  it('is no accusation where the user left', async () => {
    const made = await load();
    await expect.poll(() => localStorage.getItem(MARK), { interval: 1 }).not.toBeNull();
    dispatchEvent(new PageTransitionEvent('pagehide'));
    expect(localStorage.getItem(MARK)).toBeNull();
    await made.loaded;
  });

  it('is no accusation against a load that is under way in the same page', async () => {
    const first = await load();
    await expect.poll(() => localStorage.getItem(MARK), { interval: 1 }).not.toBeNull();
    const second = await createRuntime({ bundle: BUNDLE, backend: 'cpu', cache: false });
    expect(second.tiers.map(({ planned }) => planned)).toEqual(first.tiers.map(() => true));
    await Promise.all([first.loaded, second.loaded]);
    await expect.poll(() => localStorage.getItem(MARK)).toBeNull();
    await second.dispose();
  });

  it('is no accusation against a load that is under way in another window, until that window dies', async () => {
    const frame = document.body.appendChild(document.createElement('iframe'));
    const inside = frame.contentDocument!;
    const loads = new Promise((resolve) => Object.assign(frame.contentWindow!, { resolve }));
    const script = inside.createElement('script');
    script.type = 'module';
    const marker = new URL('../../../src/runtime/crash-marker.ts', import.meta.url).href;
    script.textContent = `import { openCrashMarker } from '${marker}';
      const marker = await openCrashMarker('${BUNDLE}');
      marker.begin('b');
      resolve();`;
    inside.body.append(script);
    await loads;
    const mark = localStorage.getItem(MARK);
    expect(mark).toContain('"b"');
    await expect.poll(async () => (await navigator.locks.query()).held?.length).toBe(1);
    const made = await load({ waitFor: 'all' });
    expect(made.tiers.map(({ planned }) => planned)).toEqual([true, true]);
    await made.dispose();
    frame.remove();
    await expect.poll(async () => (await navigator.locks.query()).held).toEqual([]);
    // A window that dies has no time to strike it out.
    localStorage.setItem(MARK, mark ?? '');
    expect((await load()).tiers[1]).toMatchObject({ planned: false, limit: 'crash' });
  });

  it('keeps a load that ended the page from being repeated, until somebody insists', async () => {
    localStorage.setItem(MARK, JSON.stringify({ anchor: 'b', at: Date.now() - 1000 }));
    const made = await load({ waitFor: 'all' });
    expect(made.tiers[1]).toMatchObject({ planned: false, limit: 'crash' });
    expect(available()).toEqual(usesOnly('a'));
    expect(localStorage.getItem(MARK)).toContain('"b"');
    await made.loadMore('b');
    expect(available()).toHaveLength(made.routes.length);
    expect(localStorage.getItem(MARK)).toBeNull();
  });

  describe('of a load that ended the page stays where somebody insists, and', () => {
    const left = JSON.stringify({ anchor: 'b', at: Date.now() - 1000 });
    /** Until the load has begun. */
    const insist = async (options: Partial<RuntimeOptions> = {}): Promise<{ readonly code: Promise<string> }> => {
      localStorage.setItem(MARK, left);
      const made = await load({ waitFor: 'all', ...options });
      expect(made.tiers[1]).toMatchObject({ planned: false, limit: 'crash' });
      const { setItem } = Storage.prototype;
      const marked = new Promise<void>((resolve) =>
        vi.spyOn(Storage.prototype, 'setItem').mockImplementation(function (this: Storage, key: string, value: string) {
          setItem.call(this, key, value);
          resolve();
        }),
      );
      const code = codeOf(made.loadMore('b'));
      await marked;
      // Another crash would be one of today.
      expect(localStorage.getItem(MARK)).not.toBe(left);
      return { code };
    };
    const stays = async () => {
      expect(localStorage.getItem(MARK)).toBe(left);
      await runtime?.dispose();
      expect((await load({ waitFor: 'all' })).tiers[1]).toMatchObject({ planned: false, limit: 'crash' });
    };

    it('the load fails', async () => {
      const { code } = await insist({ worker: damaged });
      expect(await code).toBe('bundle-integrity');
      await stays();
    });

    it('the load is given up', async () => {
      const { code } = await insist();
      await runtime?.dispose();
      expect(await code).toBe('disposed');
      await stays();
    });

    it('the page is left in the middle', async () => {
      const { code } = await insist();
      dispatchEvent(new PageTransitionEvent('pagehide'));
      expect(localStorage.getItem(MARK)).toBe(left);
      expect(await code).toBe('none');
      expect(localStorage.getItem(MARK)).toBeNull();
    });

    it('the page is out of sight', async () => {
      const turn = (state: DocumentVisibilityState) => {
        vi.spyOn(document, 'visibilityState', 'get').mockReturnValue(state);
        document.dispatchEvent(new Event('visibilitychange'));
      };
      turn('visible');
      const { code } = await insist();
      turn('hidden');
      expect(localStorage.getItem(MARK)).toBe(left);
      turn('visible');
      expect(localStorage.getItem(MARK)).not.toBe(left);
      expect(await code).toBe('none');
      expect(localStorage.getItem(MARK)).toBeNull();
    });
  });

  it.each([
    ['an old one', JSON.stringify({ anchor: 'b', at: Date.now() - 8 * 24 * 3600_000 })],
    ['one from the future', JSON.stringify({ anchor: 'b', at: Date.now() + 1e9 })],
    ['nonsense', 'nonsense'],
  ])('%s counts for nothing', async (_, mark) => {
    localStorage.setItem(MARK, mark);
    const made = await load({ waitFor: 'all' });
    expect(available()).toHaveLength(made.routes.length);
  });
});

describe('storage', () => {
  it('says what is kept, and drops it', async () => {
    await storage.clear();
    await load({ cache: true, waitFor: 'all' });
    const usage = await storage.usage();
    expect(usage.shards).toBe(12);
    expect(usage.bytes).toBeGreaterThan(300_000);
    expect(usage.quotaBytes).toBeGreaterThan(usage.bytes);
    localStorage.setItem('running-stitch:loading:https://elsewhere.example/m.json', '{}');
    localStorage.setItem('not ours', '1');
    await storage.clear();
    expect(await storage.usage()).toMatchObject({ shards: 0, bytes: 0 });
    expect(Object.keys(localStorage).filter((key) => key.startsWith('running-stitch'))).toEqual([]);
    expect(localStorage.getItem('not ours')).toBe('1');
    localStorage.removeItem('not ours');
  });
});

/** A property as `navigator` itself would have it: its methods refuse a proxy. */
function bound(target: Navigator, key: string | symbol): unknown {
  const value: unknown = Reflect.get(target, key);
  return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
}
