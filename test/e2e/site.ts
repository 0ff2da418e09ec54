/** The built demo on a local server, and a browser to use it with. */
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright';
import { type PreviewServer, preview } from 'vite';
import { CHROMIUM_ARGS, findChromium } from '../../scripts/chromium.mjs';

export interface Site {
  /** Address of the demo, with a slash at its end. */
  readonly url: string;
  readonly browser: Browser;
  close(): Promise<void>;
}

export async function openSite(): Promise<Site> {
  const configFile = fileURLToPath(new URL('../../vite.config.ts', import.meta.url));
  const server: PreviewServer = await preview({ configFile, preview: { host: '127.0.0.1', port: 0 }, logLevel: 'error' });
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error('No Chromium');
  const browser = await chromium.launch({ executablePath, args: [...CHROMIUM_ARGS], headless: true, chromiumSandbox: true });
  return {
    url: server.resolvedUrls?.local[0] ?? '',
    browser,
    async close() {
      await browser.close();
      await server.close();
    },
  };
}

export interface Visit {
  readonly page: Page;
  /** Errors of page, workers and console so far. */
  readonly errors: string[];
}

/** Opens the demo and waits until it classifies and everything has arrived. */
export async function visit(site: Site, query: string, prepare?: (page: Page) => Promise<void>): Promise<Visit> {
  // A service worker's fetches would pass by the routes that tests set; test/e2e/offline.test.ts is about it.
  const context = await site.browser.newContext({ serviceWorkers: 'block' });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  // A busy test machine reports critical pressure, which rightly forces the lowest route.
  await page.addInitScript(() => Reflect.deleteProperty(globalThis, 'PressureObserver'));
  await prepare?.(page);
  const address = new URL(query, site.url);
  // So does its stuttering page animation; the guard that then gives up frames has tests of its own.
  address.searchParams.set('guard', 'off');
  await page.goto(address.href);
  await page.waitForSelector('html[data-state="ready"][data-complete="true"]', { timeout: 180_000 });
  return { page, errors };
}
