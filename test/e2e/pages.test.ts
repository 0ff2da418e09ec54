/** The bench and parity pages as a visitor uses them, and the way between all pages. */
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VERSION } from '../../src/core/version';
import type { BenchResult } from '../../src/demo/bench/measure';
import tiny from '../fixtures/tiny/manifest.json' with { type: 'json' };
import { eventually, text } from './demo-page';
import { allowClipboard, BASE, openPages, type Pages, state } from './pages';

let site: Pages;
beforeAll(async () => {
  site = await openPages();
});
afterAll(() => site.close());

const focused = (page: Page, id: string) => page.getByTestId(id).evaluate((element) => element === document.activeElement);
const cells = (page: Page, id: string): Promise<string[][]> =>
  page
    .getByTestId(id)
    .locator('table tr')
    .evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));

describe('the way between the pages', () => {
  it('marks the page, keeps what was chosen, and works under any base path', async () => {
    const { page, context, errors } = await site.visit('index', '&backend=wasm');
    const missing: string[] = [];
    page.on('response', (response) => response.status() >= 400 && missing.push(response.url()));
    for (const name of ['bench', 'parity', 'live'] as const) {
      await page.getByTestId(`page-${name}`).click();
      await page.waitForURL((url) => url.pathname === `${BASE}${name === 'live' ? '' : `${name}.html`}`);
      await state(page, name === 'live' ? 'ready' : 'idle');
      const { searchParams } = new URL(page.url());
      expect(searchParams.get('bundle')).toBe('/bundle/manifest.json');
      expect(searchParams.get('backend')).toBe('wasm');
      const current = page.locator('nav [aria-current="page"]');
      expect(await current.count()).toBe(1);
      expect((await current.innerText()).toLowerCase()).toBe(name);
    }
    expect(missing).toEqual([]);
    expect(errors).toEqual([]);
    await context.close();
  });
});

describe('the bench page', () => {
  it('measures the routes on each executor, and hands out all of it', async () => {
    const { page, context, errors } = await site.visit('bench', '', allowClipboard);
    // A software adapter is not worth measuring unasked, but can be.
    expect(await page.getByTestId('executor-webgpu').isChecked()).toBe(false);
    await page.getByTestId('executor-webgpu').check();
    await page.getByTestId('which').selectOption('all');
    await page.getByTestId('start').click();
    await state(page, 'done');
    expect(errors).toEqual([]);

    const [head, ...rows] = await cells(page, 'result-wasm');
    expect(head?.slice(0, 4)).toEqual(['route', 'median', 'p95', 'predicted']);
    expect(new Set(rows.map(([route]) => route))).toEqual(new Set(tiny.routes.map(({ id }) => id)));
    expect(await cells(page, 'comparison')).toHaveLength(tiny.routes.length + 1);
    expect(await text(page, 'result-webgpu')).toMatch(/swiftshader.*software/i);

    const downloading = page.waitForEvent('download');
    await page.getByTestId('download').click();
    const download = await downloading;
    expect(download.suggestedFilename()).toMatch(/^running-stitch-bench-.*\.json$/);
    const file = readFileSync(await download.path(), 'utf8');
    const result = JSON.parse(file) as BenchResult;
    expect(result).toMatchObject({ format: 'running-stitch-bench/1', version: VERSION, unavailable: [] });
    expect(result.bundle).toMatchObject({ name: tiny.name, version: tiny.version });
    expect(result.bundle.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(result.executors.map(({ executor }) => executor)).toEqual(['webgpu', 'wasm']);
    for (const { routes, firstRoutesMs, firstAnswerMs, loadedMs, executor } of result.executors) {
      expect(firstAnswerMs).toBeGreaterThan(firstRoutesMs);
      expect(loadedMs).toBeGreaterThan(0);
      for (const { route, steadyMs, switchedMs, medianMs, p95Ms, predictedMs } of routes) {
        expect(steadyMs.length + switchedMs.length, `${route} on ${executor}`).toBe(12);
        expect(switchedMs.length).toBeGreaterThan(0);
        expect(medianMs).toBeGreaterThan(0);
        expect(p95Ms).toBeGreaterThanOrEqual(medianMs);
        expect(predictedMs).toBeGreaterThan(0);
      }
    }
    await page.getByTestId('copy').click();
    await eventually(() => text(page, 'copy')).toBe('Copied');
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(file);
    await context.close();
  });

  it('can be cancelled and started again with the keyboard, and takes the executor from the address', async () => {
    const { page, context, errors } = await site.visit('bench', '&backend=cpu');
    expect(await page.locator('.boxes :checked').evaluateAll((all) => all.map(({ id }) => id))).toEqual(['executor-cpu']);
    await page.getByTestId('effort').selectOption('thorough');
    await page.getByTestId('start').focus();
    await page.keyboard.press('Enter');
    await eventually(() => text(page, 'step')).toMatch(/measuring \S+, (about|almost)/);
    expect(await page.getByTestId('progress').evaluate((bar) => (bar as HTMLProgressElement).value)).toBeGreaterThan(0);
    expect(await focused(page, 'cancel')).toBe(true);
    await page.keyboard.press('Enter');
    await state(page, 'idle');
    expect(await text(page, 'step')).toBe('Cancelled.');
    expect(await focused(page, 'start')).toBe(true);
    expect(await page.getByTestId('results').isHidden()).toBe(true);
    await page.getByTestId('effort').selectOption('quick');
    await page.getByTestId('start').click();
    await state(page, 'done');
    const measured = page.getByTestId('result-cpu').locator('tbody tr');
    expect(await measured.count()).toBeGreaterThan(0);
    // Not asked for all, so only those worth using.
    expect(await measured.evaluateAll((rows) => rows.every(({ className }) => className === 'on-ladder'))).toBe(true);
    expect(errors).toEqual([]);
    await context.close();
  });

  it('says what is wrong with a bundle, and measures after it is mended', async () => {
    let missing = true;
    const { page, context } = await site.visit('bench', '', (c) =>
      c.route('**/bundle/manifest.json', (route) => (missing ? route.fulfill({ status: 404 }) : route.continue())),
    );
    await page.getByTestId('start').click();
    await state(page, 'error');
    expect(await text(page, 'error')).toMatch(/manifest\.json/);
    missing = false;
    await page.getByTestId('start').click();
    await state(page, 'done');
    expect(await page.getByTestId('error').isHidden()).toBe(true);
    await context.close();
  });
});

describe('the parity page', () => {
  it('sets every executor against the known answers, and against the others on the same photos', async () => {
    const { page, context, errors } = await site.visit('parity');
    await page.getByTestId('start').click();
    await state(page, 'done');
    const [head, ...rows] = await cells(page, 'known');
    expect(head).toHaveLength(5);
    expect(new Set(rows.map(([route]) => route))).toEqual(new Set(tiny.check.routes));
    for (const row of rows) {
      expect(row.at(-1)).toBe('pass');
      // Floating-point sums in another order: not nothing, and not much.
      for (const error of row.slice(1, 4)) expect(error).toMatch(/^([1-9]\.\d × 10⁻[⁵-⁹]|0\.000\d+)$/);
    }
    const photos = (await cells(page, 'photos')).slice(1);
    expect(photos).toHaveLength(10);
    expect(await text(page, 'photos')).toMatch(/same first answer for 10 of 10 photos/);
    for (const [, ...answers] of photos) expect(answers.at(-1)).toBe('yes');

    const side = page.getByTestId('side-by-side');
    expect(await side.locator('h3').count()).toBe(3);
    const lists = await side.locator('ol').allInnerTexts();
    expect(new Set(lists).size).toBe(1);
    await page.getByRole('group', { name: 'Sample photos' }).getByRole('button').nth(4).click();
    expect((await side.locator('ol').allInnerTexts())[0]).not.toBe(lists[0]);
    expect(errors).toEqual([]);
    await context.close();
  });

  it('says which executor is not available here, and compares the others', async () => {
    const { page, context } = await site.visit('parity', '', async (c) => {
      await c.addInitScript(() => Object.defineProperty(navigator, 'gpu', { value: undefined }));
      await c.route('**/*.wasm', (route) => route.abort());
    });
    await page.getByTestId('start').click();
    await state(page, 'done');
    expect(await text(page, 'executors')).toMatch(/WebAssembly on the CPU\s+not available here: \S+/);
    expect((await cells(page, 'known'))[0]?.join()).not.toContain('WebAssembly');
    expect(await text(page, 'known')).toMatch(/All \d+ routes answer as expected/);
    await context.close();
  });
});
