/** What all pages of the demo have to be: usable by everybody, honest about what they keep, and an app that can be installed. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHROMIUM_ARGS, findChromium } from '../../scripts/chromium.mjs';
import { VERSION } from '../../src/core/version';
import tiny from '../fixtures/tiny/manifest.json' with { type: 'json' };
import { violations } from './axe';
import { answered, eventually, text } from './demo-page';
import { allowClipboard, BASE, openPages, type Pages, QUERY, servePages, SITE, state } from './pages';

let site: Pages;
beforeAll(async () => {
  site = await openPages();
});
afterAll(() => site.close());

describe('what is kept on the device', () => {
  it('is counted, goes into the diagnostics, and is deleted', async () => {
    const { page, context, errors } = await site.visit('index', '&backend=wasm', allowClipboard);
    await page.waitForSelector('html[data-complete="true"]');
    await answered(page);
    await eventually(() => text(page, 'kept-text')).toMatch(/kept on this device: 0\.\d MB in (?!0)\d+ files/);
    await page.getByTestId('diagnostics').click();
    await eventually(() => text(page, 'diagnostics')).toBe('Copied');
    const copied = JSON.parse(await page.evaluate(() => navigator.clipboard.readText())) as Record<string, unknown>;
    expect(copied).toMatchObject({
      version: VERSION,
      support: { wasmSimd: true, moduleWorkers: true },
      check: { passed: true },
    });
    const { bytes } = copied['storage'] as { bytes: number };
    expect(bytes).toBeGreaterThan(tiny.shards.reduce((sum, shard) => sum + shard.bytes, 0));

    await page.getByTestId('kept-delete').click();
    await eventually(() => text(page, 'kept-text')).toMatch(/^Deleted\..*No networks are kept/);
    expect(await page.getByTestId('kept-delete').isDisabled()).toBe(true);
    await page.goto(`${site.url}bench.html${QUERY}`);
    await eventually(() => text(page, 'kept-text')).toMatch(/^No networks are kept/);
    expect(errors).toEqual([]);
    await context.close();
  });
});

describe('the gallery', () => {
  it('shows every sample photo, and answers for the one that is chosen', async () => {
    const { page, context, errors } = await site.visit('index', '&backend=wasm');
    await answered(page);
    const photos = page.getByRole('group', { name: 'Sample photos' }).getByRole('button');
    expect(await photos.count()).toBe(10);
    const shares = async () => (await page.getByTestId('labels').innerText()).replaceAll(/\s+/g, ' ');
    const first = await shares();
    await photos.nth(4).click();
    await eventually(() => photos.nth(4).getAttribute('aria-pressed')).toBe('true');
    await eventually(() => text(page, 'source-title')).toMatch(/^Goldfish\. .+\.$/);
    await eventually(shares).not.toBe(first);
    const loaded = await photos.locator('img').evaluateAll((all) => all.map((image) => (image as HTMLImageElement).alt !== ''));
    expect(loaded).not.toContain(false);
    expect(errors).toEqual([]);
    await context.close();
  });
});

describe('axe', () => {
  for (const scheme of ['light', 'dark'] as const) {
    it(`finds nothing serious, ${scheme}`, async () => {
      let missing = false;
      const { page, context } = await site.visit('index', '&backend=wasm', (c) =>
        c.route('**/bundle/manifest.json', (route) => (missing ? route.fulfill({ status: 404 }) : route.continue())),
      );
      await page.emulateMedia({ colorScheme: scheme });
      await page.waitForSelector('html[data-complete="true"]');
      await answered(page);
      expect(await violations(page), 'live').toEqual([]);
      for (const name of ['bench', 'parity'] as const) {
        await page.goto(`${site.url}${name}.html${QUERY}&backend=wasm`);
        await state(page, 'idle');
        expect(await violations(page), `${name}, idle`).toEqual([]);
        await page.getByTestId('start').click();
        await state(page, 'running');
        expect(await violations(page), `${name}, running`).toEqual([]);
        await state(page, 'done');
        expect(await violations(page), `${name}, done`).toEqual([]);
      }
      missing = true;
      for (const name of ['parity', 'index'] as const) {
        await page.goto(`${site.url}${name}.html${QUERY}`);
        if (name === 'parity') await page.getByTestId('start').click();
        await state(page, 'error');
        expect(await violations(page), `${name}, error`).toEqual([]);
      }
      await context.close();
    });
  }
});

describe('the installed app', () => {
  it('can be installed, and its pages open and measure without network', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'running-stitch-profile-'));
    const host = await servePages();
    // Chromium installs nothing from a window that forgets everything.
    const context = await chromium.launchPersistentContext(folder, {
      executablePath: findChromium() ?? '',
      args: [...CHROMIUM_ARGS],
      headless: true,
      chromiumSandbox: true,
    });
    try {
      const page = await context.newPage();
      const url = `${host.origin}${BASE}`;
      await page.goto(`${url}bench.html${QUERY}&backend=wasm`);
      await eventually(() => page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);
      const session = await context.newCDPSession(page);
      const manifest = await session.send('Page.getAppManifest');
      expect(manifest.errors).toEqual([]);
      expect(manifest.url).toBe(`${url}manifest.webmanifest`);
      expect((await session.send('Page.getInstallabilityErrors')).installabilityErrors).toEqual([]);
      const { icons } = JSON.parse(manifest.data ?? '{}') as {
        icons: readonly { src: string; sizes: string; purpose?: string }[];
      };
      for (const { src, sizes } of icons.filter((icon) => icon.src.endsWith('.png'))) {
        const bytes = readFileSync(join(SITE, src));
        expect(`${bytes.readUInt32BE(16)}x${bytes.readUInt32BE(20)}`, src).toBe(sizes);
      }
      expect(icons.some(({ purpose }) => purpose === 'maskable')).toBe(true);

      await page.getByTestId('start').click();
      await state(page, 'done');
      await host.close();
      // By its full address, and as hosts that leave the ending away name it.
      for (const [address, heading] of [
        ['parity.html', /answers right/i],
        ['parity', /answers right/i],
        ['bench.html', /measure/i],
      ] as const) {
        // prettier-ignore
        await page.goto(`${url}${address}${QUERY}&backend=wasm`);
        expect(await page.locator('h1').innerText()).toMatch(heading);
      }
      await page.getByTestId('start').click();
      await state(page, 'done');
      expect(await text(page, 'result-wasm')).toMatch(/everything loaded after/);
    } finally {
      await context.close();
      await host.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
