/** A bundle that the browser does not keep: it runs all the same, and whoever made the runtime is told, once. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type LoadProgress, storage } from '../../../src/index';
import { admit, grey } from './patient';

vi.stubGlobal('PressureObserver', undefined);
beforeEach(() => storage.clear());
afterEach(() => storage.clear());

/** As `Patient.errors` has it. */
const said = (problem: RegExp) => [
  {
    code: 'storage',
    recoverable: true,
    message: expect.stringMatching(problem) as string,
    detail: { problem: expect.stringMatching(problem) as string },
  },
];

it.each([
  ['no store', /SecurityError: Storage is off/],
  ['full store', /no more room/],
] as const)('%s: said after the start, and not again when more is loaded or a loss is mended', async (store, problem) => {
  const progress: LoadProgress[] = [];
  const { runtime, errors, lose, healed } = await admit(
    { cache: true, maxAnchor: 'a', onProgress: (step) => progress.push(step) },
    [store],
  );
  expect(progress.at(-1)).toMatchObject({ phase: 'ready', cacheProblem: expect.stringMatching(problem) as string });
  await expect.poll(() => errors, { timeout: 30_000 }).toMatchObject(said(problem));
  await runtime.loadMore('b');
  lose();
  await healed(1);
  await expect.poll(() => runtime.routes.every(({ available }) => available), { timeout: 60_000 }).toBe(true);
  expect((await runtime.classify(grey(16))).executor).toBe('webgpu');
  expect(errors).toHaveLength(1);
});

it('a store that is full later: said then', async () => {
  const { runtime, errors, fillTheStore } = await admit({ cache: true, maxAnchor: 'a' });
  await runtime.classify(grey(16));
  expect(errors).toEqual([]);
  fillTheStore();
  await runtime.loadMore('b');
  await expect.poll(() => errors, { timeout: 30_000 }).toMatchObject(said(/no more room/));
  expect((await runtime.classify(grey(16), { route: 'b' })).route).toBe('b');
});

it('nothing is said where nothing was to be kept, or all is', async () => {
  for (const cache of [false, true]) {
    const { runtime, errors } = await admit({ cache }, [cache ? '' : 'full store']);
    await runtime.classify(grey(16));
    expect(errors).toEqual([]);
    await runtime.dispose();
  }
});
