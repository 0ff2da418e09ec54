/** The React hook in the example application, built from the tarball. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Manifest } from '../../src/bundle/manifest';
import type { RunningStitchState } from '../../src/react/index';
import { alive, eventually } from './element-page';
import { type ExampleSite, openExample } from './example-site';
import { FIXTURE } from './packed';

/** A page that shows nothing, and leaves what the hook says last where tests can see it. */
const PAGE = `<!doctype html><title>hook</title><div></div><script type="module" src="./src/hook.tsx"></script>`;
const HOOK = `
import { createRoot } from 'react-dom/client';
import { useRunningStitch } from 'running-stitch/react';

function Hook({ maxAnchor }: { readonly maxAnchor?: string }) {
  globalThis.hook = useRunningStitch({ bundle: '/models/tiny/manifest.json', backend: 'webgpu', maxAnchor });
  return null;
}

const root = createRoot(document.querySelector('div')!);
globalThis.show = (maxAnchor?: string) => root.render(<Hook maxAnchor={maxAnchor} />);
globalThis.show();
`;

const MANIFEST = JSON.parse(readFileSync(join(FIXTURE, 'manifest.json'), 'utf8')) as Manifest;

interface Realm {
  readonly hook: RunningStitchState<HTMLImageElement>;
  /** Renders the hook with this bound. */
  readonly show: (maxAnchor?: string) => void;
}

let site: ExampleSite;
beforeAll(async () => {
  site = await openExample({ 'hook.html': PAGE, 'src/hook.tsx': HOOK });
});
afterAll(() => site?.close());

const open = (path: string) => site.open(path);
const status = (page: Page) => page.evaluate(() => (globalThis as unknown as Realm).hook.status);

describe('useRunningStitch', () => {
  it('answers in two components through one worker, in strict mode, and lets go when they are gone', async () => {
    const { page, errors, workers, close } = await open('/react.html?backend=webgpu');
    const texts = () => page.locator('figcaption').allInnerTexts();
    await eventually(async () => (await texts()).filter((text) => !/^(?:loading|ready)$/.test(text))).toHaveLength(2);
    expect((await texts()).filter((text) => /^class \d+$/.test(text))).toHaveLength(2);
    expect(workers()).toBe(1);
    await page.getByRole('button', { name: 'Hide' }).click();
    await eventually(async () => alive(page)).toBe(0);
    await page.getByRole('button', { name: 'Show' }).click();
    await eventually(async () => (await texts()).filter((text) => /^class \d+$/.test(text))).toHaveLength(2);
    expect(errors).toEqual([]);
    await close();
  });

  it('tells the progress of what arrives behind the first answers, to its end', async () => {
    const { page, errors, close } = await open('/hook.html');
    await eventually(() => status(page)).toBe('ready');
    await page.evaluate(() => (globalThis as unknown as Realm).hook.runtime!.loaded);
    const progress = () => page.evaluate(() => (globalThis as unknown as Realm).hook.progress);
    const { labels, shards, check } = MANIFEST;
    const all = [labels, ...shards, check].reduce((sum, { bytes }) => sum + bytes, 0);
    await eventually(progress).toMatchObject({ phase: 'ready', bytesLoaded: all, bytesTotal: all });
    expect(errors).toEqual([]);
    await close();
  });

  it('loads no anchor beyond maxAnchor, and anew when that changes', async () => {
    const { page, workers, close } = await open('/hook.html');
    await eventually(() => status(page)).toBe('ready');
    const anchors = () =>
      page.evaluate(async () => {
        const { runtime } = (globalThis as unknown as Realm).hook;
        await runtime?.loaded;
        return runtime?.routes.flatMap(({ id, path, available }) => (available && path.length === 1 ? [id] : []));
      });
    expect(await anchors()).toEqual(['a', 'b']);
    await page.evaluate(() => (globalThis as unknown as Realm).show('a'));
    await eventually(anchors).toEqual(['a']);
    expect(workers()).toBe(2);
    await eventually(async () => alive(page)).toBe(1);
    await close();
  });
});
