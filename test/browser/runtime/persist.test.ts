/** In windows of their own, because a page asks only once. */
import { expect, it, onTestFinished, vi } from 'vitest';
import type { createRuntime as Create, PixelFrame, Runtime } from '../../../src/index';

const BUNDLE = new URL('../../fixtures/tiny/manifest.json', import.meta.url);
const frame: PixelFrame = { data: new Uint8ClampedArray(8 * 8 * 4).fill(120), width: 8, height: 8 };
const broken: PixelFrame = { ...frame, width: 9 };

/** The library as another page loads it, and what that page asks. */
async function openWindow(): Promise<{ readonly createRuntime: typeof Create; readonly persist: () => Promise<boolean> }> {
  const element = document.body.appendChild(document.createElement('iframe'));
  onTestFinished(() => element.remove());
  const inside = element.contentWindow!;
  const persist = vi.spyOn(inside.navigator.storage, 'persist').mockResolvedValue(true);
  const createRuntime = await new Promise<typeof Create>((resolve) => {
    Object.assign(inside, { resolve });
    const script = inside.document.createElement('script');
    script.type = 'module';
    // Behind the front door, whose dynamic import vitest would see to in its own window only.
    const { href } = new URL('../../../src/runtime/runtime.ts', import.meta.url);
    script.textContent = `import { createRuntime } from '${href}'; resolve(createRuntime);`;
    inside.document.body.append(script);
  });
  return { createRuntime, persist };
}

const all = async (runtime: Runtime, photos: readonly PixelFrame[]): Promise<void> => {
  for await (const answer of runtime.classifyAll(photos)) expect(answer.error === undefined).toBe(answer.photo === frame);
};

it.each<[what: string, answer: (runtime: Runtime) => Promise<unknown>]>([
  ['frame', (runtime) => runtime.classify(frame)],
  ['batch of photos', (runtime) => all(runtime, [frame, broken])],
])('asks the browser to keep what is cached, once, after the first %s', async (_, answer) => {
  const { createRuntime, persist } = await openWindow();
  for (const keeps of [{ persist: false }, { cache: false }]) {
    const silent = await createRuntime({ bundle: BUNDLE, backend: 'cpu', ...keeps });
    await answer(silent);
    await silent.dispose();
  }
  expect(persist).not.toHaveBeenCalled();
  const runtime = await createRuntime({ bundle: BUNDLE, backend: 'cpu' });
  await all(runtime, [broken]);
  expect(persist).not.toHaveBeenCalled();
  await answer(runtime);
  await answer(runtime);
  expect(persist).toHaveBeenCalledTimes(1);
  await runtime.dispose();
});
