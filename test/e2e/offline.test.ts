/** The built demo without network: its server is really stopped. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, Page } from 'playwright';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import tiny from '../fixtures/tiny/manifest.json' with { type: 'json' };
import { openChromium } from './chromium';
import { answered, eventually, text } from './demo-page';
import { ASSETS, ROOT } from './packed';
import { serve, type Server } from './serve';

const SITE = fileURLToPath(new URL('../../dist/site', import.meta.url));
const BUNDLE = fileURLToPath(new URL('../fixtures/tiny', import.meta.url));

let browser: Browser;
let context: BrowserContext;
let server: Server;
/** What the server adds to the title: the next version of the site. */
let suffix = '';
beforeAll(async () => {
  browser = await openChromium();
});
afterAll(() => browser.close());
const serveSite = (withoutEndings = false) =>
  serve({
    folders: { '/bundle/': BUNDLE, '/': SITE },
    withoutEndings,
    edit: (path, content) => {
      if (path === '/index.html') return content.replace('</title>', `${suffix}</title>`);
      return path === '/service-worker.js' ? content.replace(/(?<="version":")/, suffix) : content;
    },
  });
beforeEach(async () => {
  suffix = '';
  server = await serveSite();
  context = await browser.newContext();
});
afterEach(async () => {
  await context.close();
  await server.close();
});

/** Opens the demo with the small bundle. */
async function visit(query = ''): Promise<Page> {
  const page = await context.newPage();
  await page.addInitScript(() => Reflect.deleteProperty(globalThis, 'PressureObserver'));
  await page.goto(`${server.origin}/?source=photos&guard=off&bundle=bundle/manifest.json${query}`);
  await page.waitForSelector('html[data-state="ready"]', { timeout: 180_000 });
  return page;
}

/** Names of the library's records, by kind. */
const records = (page: Page) =>
  page.evaluate(async () => {
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open('running-stitch');
      request.addEventListener('success', () => resolve(request.result));
      request.addEventListener('error', () => reject(request.error));
    });
    const keys = await new Promise<IDBValidKey[]>((resolve, reject) => {
      const request = database.transaction('shards').objectStore('shards').getAllKeys();
      request.addEventListener('success', () => resolve(request.result));
      request.addEventListener('error', () => reject(request.error));
    });
    database.close();
    const count = (kind: string) => keys.filter((key) => typeof key === 'string' && key.startsWith(`${kind}:`)).length;
    return { files: count('ledger'), manifests: count('manifest') };
  });

/** Addresses that the service worker keeps. */
const cached = (page: Page) =>
  page.evaluate(async () => {
    const names = await caches.keys();
    const lists = await Promise.all(names.map(async (name) => (await caches.open(name)).keys()));
    return { names, paths: lists.flat().map(({ url }) => new URL(url).pathname) };
  });

/** Until the service worker is in charge and every file of the bundle is kept. */
async function settled(page: Page): Promise<void> {
  await eventually(() => page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);
  await eventually(() => records(page)).toEqual({ files: tiny.shards.length + 2, manifests: 1 });
}

describe('a host page with a service worker of its own', () => {
  it.each(['webgpu', 'wasm'])('classifies on %s after its server was stopped', async (backend) => {
    const host = await serve({
      folders: { ...ASSETS, '/vendor/running-stitch/': join(ROOT, 'dist/lib'), '/': join(ROOT, 'examples/offline') },
    });
    const page = await context.newPage();
    const answer = page.locator('#answer');
    await page.goto(`${host.origin}/?backend=${backend}`);
    await eventually(() => answer.innerText()).toMatch(new RegExp(`^class \\d+ \\(${backend}\\)$`));
    const first = await answer.innerText();
    await page.waitForSelector('html[data-complete]', { timeout: 60_000 });
    await eventually(() => page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);
    expect((await cached(page)).paths.filter((path) => path.startsWith('/models/'))).toEqual([]);
    await host.close();
    await page.reload();
    await eventually(() => answer.innerText()).toBe(first);
    await page.waitForSelector('html[data-complete]', { timeout: 60_000 });
  });
});

describe('the demo without network', () => {
  for (const executor of ['webgpu', 'wasm'] as const) {
    it(`classifies on ${executor} after its server was stopped`, async () => {
      const page = await visit(`&backend=${executor}`);
      await answered(page);
      await settled(page);
      // No byte twice: the bundle is the library's, the app's files are the service worker's.
      const { paths } = await cached(page);
      expect(paths.filter((path) => path.includes('bundle') || path.includes('models'))).toEqual([]);
      expect(paths).toEqual(expect.arrayContaining(['/index.html', '/samples/index.json']));
      expect(paths.filter((path) => path.endsWith('.wasm'))).toHaveLength(2);

      await server.close();
      await page.reload();
      await page.waitForSelector('html[data-state="ready"]', { timeout: 180_000 });
      await answered(page);
      expect((await text(page, 'executor')).toLowerCase()).toContain(executor === 'webgpu' ? 'webgpu' : 'webassembly');
      expect(await fetch(server.origin).catch(() => 'gone')).toBe('gone');
    });
  }

  it('is kept also where the host sends pages on to their names without ending', async () => {
    await server.close();
    server = await serveSite(true);
    const page = await visit('&backend=wasm');
    await settled(page);
    await server.close();
    await page.reload();
    await page.waitForSelector('html[data-state="ready"]', { timeout: 60_000 });
    await page.goto(`${server.origin}/bench`);
    expect(await page.title()).toMatch(/bench/i);
  });

  it('opens at any address below it, and says what it does not have', async () => {
    const page = await visit('&backend=wasm');
    await settled(page);
    await server.close();
    await page.goto(`${server.origin}/somewhere/else?source=photos&backend=wasm&bundle=bundle/manifest.json`);
    await page.waitForSelector('html[data-state="ready"]', { timeout: 60_000 });
    expect(await page.title()).toMatch(/Running Stitch/);
    const missing = await page.evaluate(() => fetch('/models/other/manifest.json').catch(() => 'no network'));
    expect(missing).toBe('no network');
  });

  it('changes to a new version when it is told to, and not before', async () => {
    const page = await visit('&backend=wasm');
    await settled(page);
    const before = await page.title();
    const [old] = (await cached(page)).names;
    suffix = 'two';
    await page.evaluate(async () => (await navigator.serviceWorker.ready).update());
    const offer = page.locator('#update');
    await offer.waitFor({ timeout: 60_000 });
    await page.reload();
    expect(await page.title()).toBe(before);
    await offer.waitFor({ timeout: 60_000 });
    // A second tab stays as it is until its user wants otherwise, and says that it is old.
    const other = await visit('&backend=wasm');
    await offer.getByRole('button').click();
    await eventually(() => page.title()).toBe(`${before}two`);
    const changed = other.locator('#update', { hasText: 'Another tab' });
    await changed.waitFor({ timeout: 60_000 });
    expect(await other.title()).toBe(before);
    await changed.getByRole('button').click();
    await eventually(() => other.title()).toBe(`${before}two`);
    await other.close();
    await eventually(async () => (await cached(page)).names).toHaveLength(1);
    expect((await cached(page)).names).not.toEqual([old]);
    await server.close();
    await page.reload();
    expect(await page.title()).toBe(`${before}two`);
  });
});
