/** A page that goes out of sight and comes back: what was lost meanwhile is mended when somebody looks, and frames go on. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { admit, failure, grey } from './patient';

// A busy test machine reports critical pressure, which rightly forces the lowest rung.
vi.stubGlobal('PressureObserver', undefined);

/** Longer than it takes to notice something and to act on it. */
const A_WHILE_MS = 700;
const aWhile = () => new Promise((resolve) => setTimeout(resolve, A_WHILE_MS));

/** As a browser does when another tab comes to the front; the test's own page stays where it is. */
function turn(state: DocumentVisibilityState): void {
  vi.spyOn(document, 'visibilityState', 'get').mockReturnValue(state);
  document.dispatchEvent(new Event('visibilitychange'));
}
afterEach(() => {
  vi.restoreAllMocks();
});

function picture(): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 40;
  canvas.getContext('2d')?.fillRect(0, 0, 20, 40);
  return canvas;
}

describe('a hidden page', () => {
  it('has its lost device back when it is shown, and the next frame is answered on the same route', async () => {
    const { runtime, losses, healings, errors, workers, lose, healed } = await admit();
    runtime.budget = { latencyMs: 1e6, energy: 'performance' };
    const { route } = runtime;
    const before = await runtime.classify(grey(16));
    expect(before.route).toBe(runtime.ladder.at(-1)?.id);
    turn('hidden');
    lose();
    await expect.poll(() => losses.length, { timeout: 30_000 }).toBe(1);
    // Made in the dark, answered in the light.
    const call = runtime.classify(grey(16));
    await aWhile();
    expect([healings.length, workers.length]).toEqual([0, 1]);
    turn('visible');
    await healed(1);
    expect(await call).toMatchObject({ route, executor: 'webgpu', top: before.top });
    expect(await runtime.classify(grey(16))).toMatchObject({ route, executor: 'webgpu', top: before.top });
    expect(runtime.route).toBe(route);
    expect(errors).toEqual([]);
  });

  it('keeps nobody waiting for its lost device who gave up, nor beyond the end', async () => {
    const { runtime, losses, lose } = await admit();
    await runtime.classify(grey(16));
    turn('hidden');
    lose();
    await expect.poll(() => losses.length, { timeout: 30_000 }).toBe(1);
    const controller = new AbortController();
    const frame = failure(runtime.classify(grey(16), { signal: controller.signal }));
    await aWhile();
    controller.abort();
    expect((await frame).code).toBe('aborted');
    const calls = [runtime.classify(grey(16)), runtime.stats(), runtime.calibrate()].map(failure);
    await aWhile();
    await runtime.dispose();
    expect((await Promise.all(calls)).map(({ code }) => code)).toEqual(['disposed', 'disposed', 'disposed']);
  });

  it.each(['sleeps', 'sleeps and loses its device'])(
    '%s, and a watch goes on at the same route when it is shown',
    async (what) => {
      const { runtime, healings, errors, lose } = await admit();
      runtime.budget = { latencyMs: 1e6, energy: 'performance' };
      const { route } = runtime;
      const routes: string[] = [];
      const failures: string[] = [];
      const stop = runtime.watch(picture(), {
        onResult: (result) => routes.push(result.route),
        onError: (error) => failures.push(error.code),
      });
      const more = async () => {
        const seen = routes.length;
        await expect.poll(() => routes.length, { timeout: 60_000 }).toBeGreaterThan(seen + 3);
      };
      await more();
      turn('hidden');
      // The frame on its way is still answered.
      await aWhile();
      const seen = routes.length;
      if (what !== 'sleeps') lose();
      await aWhile();
      expect(routes.length).toBe(seen);
      turn('visible');
      await more();
      stop();
      expect(healings.length).toBe(what === 'sleeps' ? 0 : 1);
      expect(new Set(routes)).toEqual(new Set([route]));
      expect([errors, failures]).toEqual([[], []]);
    },
  );
});
