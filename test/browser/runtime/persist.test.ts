/** In a page of its own, because a page asks only once. */
import { expect, it, vi } from 'vitest';
import { createRuntime, type PixelFrame } from '../../../src/index';

const BUNDLE = new URL('../../fixtures/tiny/manifest.json', import.meta.url);
const frame: PixelFrame = { data: new Uint8ClampedArray(8 * 8 * 4).fill(120), width: 8, height: 8 };

it('asks the browser to keep what is cached, once, after the first answer', async () => {
  const persist = vi.spyOn(navigator.storage, 'persist').mockResolvedValue(true);
  for (const keeps of [{ persist: false }, { cache: false }]) {
    const silent = await createRuntime({ bundle: BUNDLE, backend: 'cpu', ...keeps });
    await silent.classify(frame);
    await silent.dispose();
  }
  expect(persist).not.toHaveBeenCalled();
  const runtime = await createRuntime({ bundle: BUNDLE, backend: 'cpu' });
  expect(persist).not.toHaveBeenCalled();
  await runtime.classify(frame);
  await runtime.classify(frame);
  expect(persist).toHaveBeenCalledTimes(1);
  await runtime.dispose();
});
