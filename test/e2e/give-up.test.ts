/** Giving up while the library's own files are still on their way. */
import { join } from 'node:path';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type * as Library from '../../src/index';
import { openChromium, openTab } from './chromium';
import { ASSETS, ROOT } from './packed';
import { serve, type Server } from './serve';

const PAGE = `<!doctype html><title>a page</title>
<script type="module">globalThis.stitching = await import('/vendor/index.js');</script>`;

/** What the page's script and the tests leave on the page. */
interface Realm {
  readonly stitching?: typeof Library;
  readonly controller: AbortController;
  readonly outcome: Promise<string>;
}

let server: Server;
let browser: Browser;
beforeAll(async () => {
  server = await serve({
    folders: { ...ASSETS, '/vendor/': join(ROOT, 'dist/lib'), '/': join(ROOT, 'examples/script') },
    edit: (path, text) => (path.endsWith('.html') ? PAGE : text),
  });
  browser = await openChromium();
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

/** The page with what it loads before it calls anything. */
async function open() {
  const tab = await openTab(browser, `${server.origin}/`);
  await tab.page.waitForFunction(() => (globalThis as unknown as Realm).stitching !== undefined);
  const workers: unknown[] = [];
  tab.page.on('worker', (worker) => workers.push(worker));
  server.asked.length = 0;
  return { ...tab, workers };
}

/** Begins to make a runtime; `aborted`: has been given up before. */
const begin = ({ page }: Awaited<ReturnType<typeof open>>, aborted: boolean) =>
  page.evaluate((before) => {
    const realm = globalThis as unknown as Realm;
    const controller = new AbortController();
    if (before) controller.abort();
    const outcome = realm.stitching!.createRuntime({ bundle: '/models/tiny/manifest.json', signal: controller.signal }).then(
      () => 'none',
      (error: unknown) => (error instanceof realm.stitching!.StitchError ? error.code : String(error)),
    );
    Object.assign(realm, { controller, outcome });
  }, aborted);

describe('createRuntime that is given up', () => {
  it('before it is called, fetches nothing', async () => {
    const tab = await open();
    await begin(tab, true);
    expect(await tab.page.evaluate(() => (globalThis as unknown as Realm).outcome)).toBe('aborted');
    expect(server.asked).toEqual([]);
    expect(tab.errors).toEqual([]);
    await tab.close();
  });

  it('while the runtime’s file is on its way, rejects at once, and starts nothing when it has come', async () => {
    const tab = await open();
    const { page } = tab;
    let release = (): void => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    await page.route('**/*.js', async (route) => {
      await released;
      await route.continue();
    });
    const asked = page.waitForRequest('**/*.js');
    await begin(tab, false);
    const file = (await asked).url();
    const outcome = page.evaluate(() => {
      const { controller, outcome: end } = globalThis as unknown as Realm;
      controller.abort();
      return end;
    });
    expect(await outcome).toBe('aborted');
    release();
    // It is there by the time that another import of it resolves.
    await page.evaluate(`import(${JSON.stringify(file)}).then(() => {})`);
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 100)));
    expect(server.asked.filter((path) => !path.endsWith('.js'))).toEqual([]);
    expect(tab.workers).toEqual([]);
    expect(tab.errors).toEqual([]);
    await tab.close();
  });
});
