/** Opens the load page in an installed Chromium, with the default bundle or another. */
import { resolve } from 'node:path';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { chromium, type Page } from 'playwright';
import { CHROMIUM_ARGS } from '../../../scripts/chromium.mjs';
import { browserPath } from '../../../src/tools/lib/browser';
import { startHost } from '../../../src/tools/lib/host';
import type { DeviceInfo } from '../../../src/index';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
export const DEFAULT_BUNDLE = resolve(ROOT, 'public/models/photos/manifest.json');

/** Runs `work` on the open page; browser and server end with it. */
export async function withPage<T>(bundle: string, work: (page: Page) => Promise<T>): Promise<T> {
  const host = await startHost(resolve(bundle), [], fileURLToPath(new URL('page', import.meta.url)));
  const browser = await chromium.launch({ executablePath: browserPath(), args: [...CHROMIUM_ARGS], chromiumSandbox: true });
  try {
    const page = await browser.newPage();
    page.on('pageerror', (error) => console.error(String(error)));
    await page.goto(host.url);
    await page.waitForFunction(() => 'controlPage' in globalThis);
    return await work(page);
  } finally {
    await browser.close();
    host.close();
  }
}

/** What ran where, in one line. */
export function describeDevice({ executor, adapter }: DeviceInfo): string {
  const gpu = adapter ? `; adapter ${[adapter.vendor, adapter.architecture, adapter.description].join(' ').trim()}` : '';
  return `executor ${executor}${gpu}; ${cpus()[0]?.model ?? 'processor'} × ${cpus().length}`;
}
