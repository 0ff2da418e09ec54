/** A headless Chromium with the software adapter, and pages whose every complaint is heard. */
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright';
import { CHROMIUM_ARGS, findChromium } from '../../scripts/chromium.mjs';

/** Its camera is Chromium's own moving picture. */
const FAKE_CAMERA = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];

export async function openChromium(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error('No Chromium');
  return chromium.launch({ executablePath, args: [...CHROMIUM_ARGS, ...FAKE_CAMERA], headless: true, chromiumSandbox: true });
}

export interface Tab {
  readonly page: Page;
  /** Errors of page, workers and console so far; breaches of the page's policy are among them. */
  readonly errors: string[];
  close(): Promise<void>;
}

export async function openTab(
  browser: Browser,
  url: string,
  prepare?: (context: BrowserContext) => Promise<unknown>,
): Promise<Tab> {
  const context = await browser.newContext();
  await prepare?.(context);
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  await page.goto(url);
  return { page, errors, close: () => context.close() };
}
