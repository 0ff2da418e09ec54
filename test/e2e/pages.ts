/** The built demo's pages on a server of their own, with the small bundle, for the tests that visit them. */
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, Page } from 'playwright';
import { openChromium } from './chromium';
import { serve, type Server } from './serve';

export const SITE = fileURLToPath(new URL('../../dist/site', import.meta.url));
const BUNDLE = fileURLToPath(new URL('../fixtures/tiny', import.meta.url));
/** Not at the root of its origin: nothing may depend on that. */
export const BASE = '/some/where/';
export const QUERY = '?bundle=/bundle/manifest.json&guard=off&source=photos';
const STATES = { index: 'ready', bench: 'idle', parity: 'idle' } as const;
type Name = keyof typeof STATES;

export interface Visit {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors of page, workers and console so far. */
  readonly errors: string[];
}

export interface Pages {
  /** With a slash at its end. */
  readonly url: string;
  /** Opens a page without the service worker, whose fetches would pass by the routes that tests set. */
  visit(name: Name, query?: string, prepare?: (context: BrowserContext) => Promise<unknown>): Promise<Visit>;
  close(): Promise<void>;
}

export const servePages = (): Promise<Server> => serve({ folders: { '/bundle/': BUNDLE, [BASE]: SITE } });

export async function openPages(): Promise<Pages> {
  const [server, browser]: [Server, Browser] = await Promise.all([servePages(), openChromium()]);
  const url = `${server.origin}${BASE}`;
  return {
    url,
    async visit(name, query = '', prepare) {
      const context = await browser.newContext({ serviceWorkers: 'block' });
      await context.addInitScript(() => Reflect.deleteProperty(globalThis, 'PressureObserver'));
      await prepare?.(context);
      const page = await context.newPage();
      const errors: string[] = [];
      page.on('pageerror', (error) => errors.push(error.message));
      page.on('console', (message) => {
        if (message.type() === 'error') errors.push(message.text());
      });
      await page.goto(`${url}${name}.html${QUERY}${query}`);
      await state(page, STATES[name]);
      return { page, context, errors };
    },
    async close() {
      await browser.close();
      await server.close();
    },
  };
}

/** Waits until the page says so of itself. */
export async function state(page: Page, wanted: string): Promise<void> {
  await page.waitForSelector(`html[data-state="${wanted}"]`, { state: 'attached', timeout: 60_000 });
}

export const allowClipboard = (context: BrowserContext) => context.grantPermissions(['clipboard-read', 'clipboard-write']);
