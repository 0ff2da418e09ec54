/** The public API over a real worker, on WebGPU and on the fallback; every kind of bad input leaves it usable. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  createRuntime,
  type Decision,
  type ExecutorKind,
  type PixelFrame,
  type Runtime,
  StitchError,
} from '../../../src/index';

const BUNDLE = new URL('../../fixtures/tiny/manifest.json', import.meta.url);

// A busy test machine reports critical pressure, which rightly forces the lowest rung; that is tested on its own.
vi.stubGlobal('PressureObserver', undefined);

const grey = (width: number, height = width): PixelFrame => ({
  data: new Uint8ClampedArray(width * height * 4).fill(120),
  width,
  height,
});

/** The typed error of a call that must fail. */
async function failure(call: () => unknown): Promise<StitchError> {
  try {
    await call();
  } catch (error) {
    expect(error).toBeInstanceOf(StitchError);
    return error as StitchError;
  }
  throw new Error('It should have failed.');
}

for (const backend of ['webgpu', 'wasm', 'cpu'] as const satisfies ExecutorKind[]) {
  describe(`runtime on ${backend}`, () => {
    let runtime: Runtime;
    const phases: string[] = [];
    const shares: number[] = [];
    beforeAll(async () => {
      runtime = await createRuntime({
        bundle: BUNDLE,
        backend,
        cache: false,
        waitFor: 'all',
        onProgress: ({ phase, bytesLoaded, bytesTotal }) => {
          if (phases.at(-1) !== phase) phases.push(phase);
          shares.push(bytesLoaded / Math.max(1, bytesTotal));
        },
      });
    });
    afterAll(() => runtime.dispose());

    it('says what runs, and passed its known-answer check', () => {
      expect(runtime.device.executor).toBe(backend);
      expect(runtime.device.reason).toMatch(/\S+.*\.$/);
      expect(runtime.check.passed).toBe(true);
      expect(runtime.check.routes.map((r) => r.route).sort()).toEqual(
        [...new Set(runtime.check.routes.map((r) => r.route))].sort(),
      );
      expect(phases.at(0)).toBe('manifest');
      expect(phases.at(-1)).toBe('ready');
      expect(shares.at(-1)).toBe(1);
      expect(shares).toEqual([...shares].sort((a, b) => a - b));
    });

    it('has a ladder of measured costs, cheapest first', () => {
      const costs = runtime.ladder.map((r) => r.costMs);
      expect(costs.length).toBeGreaterThan(0);
      expect(costs.every((c) => c > 0)).toBe(true);
      expect(costs).toEqual([...costs].sort((a, b) => a - b));
    });

    it('classifies every kind of source alike and leaves the caller its object', async () => {
      const route = runtime.routes[0]?.id ?? '';
      const canvas = new OffscreenCanvas(48, 40);
      const context = canvas.getContext('2d');
      if (!context) throw new Error('no 2d context');
      for (let i = 0; i < 48; i++) {
        context.fillStyle = `hsl(${i * 7} 70% 50%)`;
        context.fillRect(i, 0, 1, 40);
      }
      const image = context.getImageData(0, 0, 48, 40);
      const bitmap = await createImageBitmap(canvas);
      const blob = await canvas.convertToBlob({ type: 'image/png' });
      const video = new VideoFrame(canvas, { timestamp: 0 });
      const expected = await runtime.classify(image, { route });
      expect(expected.executor).toBe(backend);
      expect(expected.route).toBe(route);
      expect(expected.top[0]?.label).toBe(runtime.labels[expected.top[0]?.index ?? -1]);
      expect(expected.timing.totalMs).toBeGreaterThan(0);
      for (const source of [bitmap, canvas, blob, video, { data: image.data, width: 48, height: 40 }]) {
        const answer = await runtime.classify(source, { route });
        expect(answer.top[0]?.index).toBe(expected.top[0]?.index);
        expect(answer.top[0]?.probability).toBeCloseTo(expected.top[0]?.probability ?? 0, 2);
      }
      expect(bitmap.width).toBe(48);
      expect(video.displayWidth).toBe(48);
      expect(image.data.length).toBe(48 * 40 * 4);
      video.close();
    });

    it('answers on the route that a frame names', async () => {
      for (const { id } of runtime.routes) expect((await runtime.classify(grey(32), { route: id })).route).toBe(id);
    });

    it('gives each bad input its typed error and goes on', async () => {
      const good = async () => expect((await runtime.classify(grey(16))).top.length).toBeGreaterThan(0);
      const cases: [string, () => unknown, string, RegExp][] = [
        ['0 pixels', () => runtime.classify(grey(0)), 'frame-invalid', /0×0/],
        [
          '20,000 pixels',
          () => runtime.classify({ data: new Uint8ClampedArray(20_000 * 4), width: 20_000, height: 1 }),
          'frame-invalid',
          /20000.*limit/,
        ],
        ['short data', () => runtime.classify({ ...grey(4), height: 5 }), 'frame-invalid', /bytes/],
        ['no image', () => runtime.classify(new Blob(['not an image'])), 'frame-invalid', /file/],
        ['unknown route', () => runtime.classify(grey(8), { route: 'nope' }), 'route-unknown', /nope/],
        [
          'NaN budget',
          () => void (runtime.budget = { latencyMs: Number.NaN, energy: 'balanced' }),
          'argument-invalid',
          /latencyMs/,
        ],
        ['zero budget', () => void (runtime.budget = { latencyMs: 0, energy: 'balanced' }), 'argument-invalid', /latencyMs/],
        [
          'negative budget',
          () => void (runtime.budget = { latencyMs: -5, energy: 'balanced' }),
          'argument-invalid',
          /latencyMs/,
        ],
        ['no budget', () => void (runtime.budget = null as never), 'argument-invalid', /budget is null/],
        ['unknown mode', () => void (runtime.mode = { kind: 'lock', route: 'nope' }), 'route-unknown', /nope/],
        ...[{ kind: 'locked', route: 'a' }, 'auto', null].map((mode): (typeof cases)[number] => [
          'no mode',
          () => void (runtime.mode = mode as never),
          'argument-invalid',
          /mode is/,
        ]),
        ['an address', () => runtime.classify('photo.jpg' as never), 'frame-invalid', /A string is no picture.*fetch/],
        ['nothing', () => runtime.classify(null as never), 'frame-invalid', /null is no picture/],
        ['nothing to watch', () => runtime.watch(null as never), 'argument-invalid', /source to watch is null/],
        ['a stream to watch', () => runtime.watch(new MediaStream() as never), 'argument-invalid', /srcObject/],
        ['an image to watch', () => runtime.watch(new Image() as never), 'argument-invalid', /classify/],
      ];
      for (const [name, call, code, text] of cases) {
        const error = await failure(call);
        expect(error.code, name).toBe(code);
        expect(error.message, name).toMatch(text);
        await good();
      }
      expect(runtime.budget).toEqual({ latencyMs: 33, energy: 'balanced' });
      expect(runtime.mode).toEqual({ kind: 'auto' });
    });

    it('answers frames that are asked for at once one after the other, beside those of a watch', async () => {
      let watched = 0;
      const stop = runtime.watch(() => grey(32), { onResult: () => (watched += 1) });
      await expect.poll(() => watched).toBeGreaterThan(2);
      const seen = await Promise.all([24, 32, 40].map((side) => runtime.classify(grey(side))));
      expect(seen.map(({ top }) => top.length)).toEqual([5, 5, 5]);
      expect(seen.map(({ seq }) => seq)).toEqual(seen.map(({ seq }) => seq).toSorted((a, b) => a - b));
      const before = watched;
      await expect.poll(() => watched).toBeGreaterThan(before);
      stop();
    });

    it('a frame that is aborted while it waits rejects at once', async () => {
      const controller = new AbortController();
      const order: string[] = [];
      const first = runtime.classify(grey(32)).then(() => order.push('first'));
      const second = failure(() => runtime.classify(grey(32), { signal: controller.signal })).then(({ code }) =>
        order.push(code),
      );
      controller.abort();
      await Promise.all([first, second]);
      expect(order).toEqual(['aborted', 'first']);
      expect((await runtime.classify(grey(32))).top.length).toBeGreaterThan(0);
    });

    it('an aborted frame rejects and the next one is answered', async () => {
      const controller = new AbortController();
      controller.abort();
      expect((await failure(() => runtime.classify(grey(32), { signal: controller.signal }))).code).toBe('aborted');
      expect((await runtime.classify(grey(32))).top.length).toBeGreaterThan(0);
    });

    it('locks a route, follows the budget, and announces each switch', async () => {
      const decisions: Decision[] = [];
      const off = runtime.on('switch', (d) => decisions.push(d));
      const top = runtime.ladder.at(-1)?.id ?? '';
      const bottom = runtime.ladder[0]?.id ?? '';
      runtime.mode = { kind: 'lock', route: top };
      expect(runtime.route).toBe(top);
      runtime.mode = { kind: 'lock', route: bottom };
      expect(runtime.route).toBe(bottom);
      runtime.mode = { kind: 'auto' };
      runtime.budget = { latencyMs: 1e6, energy: 'performance' };
      expect(runtime.route).toBe(top);
      runtime.budget = { latencyMs: 1e-3, energy: 'performance' };
      expect(runtime.route).toBe(bottom);
      off();
      if (top !== bottom) expect(decisions.map((d) => d.to)).toContain(top);
      expect(decisions.every((d) => d.targetMs > 0 && d.reason.length > 0)).toBe(true);
      runtime.budget = { latencyMs: 33, energy: 'balanced' };
    });

    it('takes a part of a budget and leaves the rest', () => {
      runtime.budget = { latencyMs: 25 };
      expect(runtime.budget).toEqual({ latencyMs: 25, energy: 'balanced' });
      runtime.budget = { latencyMs: undefined as never, energy: 'saver' };
      expect(runtime.budget).toEqual({ latencyMs: 25, energy: 'saver' });
      runtime.budget = { latencyMs: 33, energy: 'balanced' };
    });

    it('watches a moving source: newest frame only, results and snapshots as events', async () => {
      const canvas = document.createElement('canvas');
      canvas.width = canvas.height = 40;
      canvas.getContext('2d')?.fillRect(0, 0, 40, 40);
      let results = 0;
      const offResult = runtime.on('result', () => (results += 1));
      const snapshot = new Promise((resolve) => {
        const off = runtime.on('snapshot', (s) => {
          off();
          resolve(s);
        });
      });
      const stop = runtime.watch(canvas);
      expect(await snapshot).toMatchObject({ signals: { visible: true } });
      await expect.poll(() => results, { timeout: 30_000 }).toBeGreaterThan(3);
      stop();
      offResult();
      // The frame in flight, if any, ends before the next test.
      await expect
        .poll(() =>
          runtime.classify(grey(8)).then(
            () => true,
            () => false,
          ),
        )
        .toBe(true);
    });

    it('checks itself again on demand', async () => {
      expect(await runtime.selfCheck()).toMatchObject({ passed: true, executor: backend });
    });
  });
}

describe('mistakes of the host', () => {
  it('in the callbacks of a watched source are reported, and it is watched on', async () => {
    const runtime = await createRuntime({ bundle: BUNDLE, backend: 'cpu', cache: false, waitFor: 'all' });
    const reported: unknown[] = [];
    const stub = vi.spyOn(globalThis, 'reportError').mockImplementation((error) => void reported.push(error));
    const failed: string[] = [];
    runtime.on('error', ({ code }) => failed.push(code));
    const mistake = new Error('of the host');
    let answers = 0;
    let broken = false;
    const stop = runtime.watch(() => (broken ? ({} as never) : grey(8)), {
      onResult() {
        broken = ++answers === 3;
        throw mistake;
      },
      onError() {
        broken = false;
        throw mistake;
      },
    });
    await expect.poll(() => answers).toBeGreaterThan(5);
    stop();
    expect(failed.length).toBeGreaterThan(0);
    expect(failed).not.toContain('internal');
    expect(reported.length).toBeGreaterThan(6);
    expect(reported.filter((error) => error !== mistake)).toEqual([]);
    stub.mockRestore();
    await runtime.dispose();
  });
});

describe('life cycle', () => {
  it('after dispose every call says so', async () => {
    const runtime = await createRuntime({ bundle: BUNDLE, backend: 'cpu', cache: false, waitFor: 'all' });
    await runtime.dispose();
    await runtime.dispose();
    expect((await failure(() => runtime.classify(grey(8)))).code).toBe('disposed');
    expect((await failure(() => runtime.watch(() => null))).code).toBe('disposed');
    expect((await failure(() => runtime.stats())).code).toBe('disposed');
  });

  it('a frame in flight at dispose rejects with disposed', async () => {
    const runtime = await createRuntime({ bundle: BUNDLE, backend: 'webgpu', cache: false, waitFor: 'all' });
    const pending = failure(() => runtime.classify(grey(2048)));
    // By then the worker has the frame; a frame of this size takes the software adapter far longer.
    await new Promise((resolve) => setTimeout(resolve, 20));
    await runtime.dispose();
    expect((await pending).code).toBe('disposed');
  });

  it('abort during load rejects with aborted, and the next load works', async () => {
    const controller = new AbortController();
    const load = failure(() =>
      createRuntime({
        bundle: BUNDLE,
        backend: 'webgpu',
        cache: false,
        waitFor: 'all',
        signal: controller.signal,
        onProgress: ({ phase }) => phase === 'shards' && controller.abort(),
      }),
    );
    expect((await load).code).toBe('aborted');
    const runtime = await createRuntime({ bundle: BUNDLE, backend: 'cpu', cache: false, waitFor: 'all' });
    expect((await runtime.classify(grey(8))).top.length).toBeGreaterThan(0);
    await runtime.dispose();
  });

  it('names what is wrong with a bundle or a budget before anything runs', async () => {
    expect(
      (await failure(() => createRuntime({ bundle: '/nowhere/manifest.json', cache: false, waitFor: 'all' }))).code,
    ).toMatch(/network|bundle-invalid/);
    expect((await failure(() => createRuntime({ bundle: BUNDLE, budget: { latencyMs: Number.POSITIVE_INFINITY } }))).code).toBe(
      'argument-invalid',
    );
  });

  it('a worker that does not start is a typed error', async () => {
    const worker = () => new Worker(URL.createObjectURL(new Blob(['throw new Error("boom")'], { type: 'text/javascript' })));
    const error = await failure(() => createRuntime({ bundle: BUNDLE, worker, cache: false, waitFor: 'all' }));
    expect(error.code).toBe('worker-died');
    expect(error.message).toMatch(/boom/);
  });

  for (const phase of ['compile', 'check', 'measure'] as const) {
    it(`abort in phase "${phase}" rejects with aborted`, async () => {
      const controller = new AbortController();
      const onProgress = (p: { phase: string }) => p.phase === phase && controller.abort();
      const load = () =>
        createRuntime({
          bundle: BUNDLE,
          backend: 'webgpu',
          cache: false,
          waitFor: 'all',
          signal: controller.signal,
          onProgress,
        });
      expect((await failure(load)).code).toBe('aborted');
    });
  }

  it('refuses an unknown backend and an address that is none', async () => {
    const backend = 'gpu' as ExecutorKind;
    expect((await failure(() => createRuntime({ bundle: BUNDLE, backend }))).message).toMatch(/"gpu".*webgpu/);
    expect((await failure(() => createRuntime({ bundle: 'http://[' }))).code).toBe('argument-invalid');
  });

  it('locks a route that is not worth a place on the ladder, and announces it', async () => {
    const runtime = await createRuntime({ bundle: BUNDLE, backend: 'cpu', cache: false, waitFor: 'all' });
    const off = runtime.routes.find((r) => !runtime.ladder.some((rung) => rung.id === r.id))?.id ?? '';
    const seen: string[] = [];
    runtime.on('switch', (d) => seen.push(d.to));
    runtime.mode = { kind: 'lock', route: off };
    expect(runtime.route).toBe(off);
    expect(seen.at(-1)).toBe(off);
    expect((await runtime.classify(grey(8))).route).toBe(off);
    runtime.mode = { kind: 'auto' };
    expect(runtime.ladder.map((r) => r.id)).toContain(runtime.route);
    await runtime.dispose();
  });
});
