/** The demo's workbench as a visitor uses it: measuring, the plot, scripts, traces and the energy plan, on the default fallback. */
import { readFileSync } from 'node:fs';
import type { Locator, Page } from 'playwright';
import { explain } from '../../src/control/explain';
import type { TraceLine } from '../../src/control/replay';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answered, answersOf, eventually, slide, text, withFixture } from './demo-page';
import { openSite, type Site, visit } from './site';

let site: Site;
beforeAll(async () => {
  site = await openSite();
});
afterAll(() => site.close());

const on = (page: Page, id: string) => page.getByTestId(id).getAttribute('aria-checked');
const rows = (page: Page): Locator => page.getByTestId('calibrate-rows').locator('tr');
/** The predicted and measured cells of each route, as written. */
const table = (page: Page) =>
  rows(page).evaluateAll((list) =>
    list
      .map((row) => [...row.children].map((cell) => cell.textContent))
      .map(([route, , measured, error]) => ({ route, measured, error })),
  );
/** Every text that an element shows from now on. */
async function watchText(page: Page, id: string): Promise<() => Promise<string[]>> {
  const seen = await page.getByTestId(id).evaluateHandle((element) => {
    const texts: string[] = [];
    new MutationObserver(() => texts.push(element.textContent)).observe(element, {
      childList: true,
      characterData: true,
      subtree: true,
    });
    return texts;
  });
  return () => seen.jsonValue();
}

describe('measuring', () => {
  it('can be cancelled, then runs to its end, and sets predictions against what it measured', async () => {
    const { page, errors } = await visit(site, '?source=photos');
    await answered(page);
    await page.getByTestId('calibrate-table').locator('summary').click();
    await eventually(() => rows(page).count()).toBeGreaterThan(20);
    const before = await table(page);
    const facts = await text(page, 'calibrate-facts');

    const button = page.getByTestId('calibrate');
    await button.focus();
    await page.keyboard.press('Enter');
    const cancel = page.getByTestId('calibrate-cancel');
    await eventually(() => text(page, 'calibrate-step')).toMatch(/Measuring \S+: \d+ of \d+/);
    // The focus has gone to what can be done next, and comes back.
    expect(await cancel.evaluate((element) => element === document.activeElement)).toBe(true);
    await page.keyboard.press('Enter');
    await eventually(() => text(page, 'calibrate-step')).toMatch(/cancelled/i);
    expect(await button.evaluate((element) => element === document.activeElement)).toBe(true);
    expect(await text(page, 'calibrate-facts')).toBe(facts);
    expect(await table(page)).toEqual(before);
    const answers = await answersOf(page);
    await eventually(() => answersOf(page)).not.toBe(answers);

    const steps = await watchText(page, 'calibrate-step');
    await button.click();
    await eventually(() => text(page, 'calibrate-step')).toMatch(/kept for the next visit/);
    const done = (await steps()).flatMap((step) => /: (\d+) of/.exec(step)?.[1] ?? []).map(Number);
    expect(done.length).toBeGreaterThan(3);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(await page.getByTestId('calibrate-progress').isHidden()).toBe(true);
    const after = await table(page);
    const measured = after.filter((row) => row.measured !== '–');
    expect(measured.length).toBeGreaterThan(3);
    for (const { error } of measured) expect(error).toMatch(/^[+−]\d+\.\d %$/);
    expect(await page.getByTestId('calibrate-plot').locator('.mark').count()).toBe(measured.length);
    expect(await text(page, 'calibrate-facts')).toMatch(new RegExp(`${measured.length} of ${after.length} routes were run`));
    expect(errors).toEqual([]);

    // Kept in the browser: the next visit starts with it.
    await page.reload();
    await page.waitForSelector('html[data-state="ready"]', { timeout: 120_000 });
    await eventually(() => text(page, 'calibrate-facts')).toMatch(/kept from an earlier measurement/);
    await page.context().close();
  });
});

describe('the trade-off plot', () => {
  it('shows every route, follows the one in use, and lets the keyboard hold one', async () => {
    const { page, errors } = await visit(site, '?source=photos', withFixture);
    await answered(page);
    const plot = page.getByTestId('tradeoff-plot').locator('svg');
    const total = Number(/^(\d+) routes/.exec(await text(page, 'tradeoff-text'))?.[1]);
    expect(await plot.getByRole('option').count()).toBe(total);
    const ring = () => plot.locator('.ring').evaluate((element) => (element as SVGElement).style.transform);
    await slide(page, 'Home');
    await eventually(() => text(page, 'tradeoff-text')).toContain(await text(page, 'route-id'));
    const there = await ring();

    await plot.focus();
    await page.keyboard.press('End');
    const picked = (await text(page, 'tradeoff-picked')).split(':')[0] ?? '';
    expect(await plot.locator('[aria-selected="true"]').getAttribute('aria-label')).toContain(`${picked}: expected`);
    const hold = page.getByTestId('tradeoff-hold');
    await hold.click();
    await eventually(() => text(page, 'route-id')).toBe(picked);
    await eventually(ring).not.toBe(there);
    expect(await page.getByTestId('mode-select').inputValue()).toBe(`lock:${picked}`);
    await hold.click();
    await eventually(() => page.getByTestId('mode-select').inputValue()).toBe('auto');
    expect(errors).toEqual([]);
    await page.context().close();
  });
});

describe('scripts and traces', () => {
  it('moves the slider by itself until somebody takes it, and puts it back when stopped', async () => {
    const { page, errors } = await visit(site, '?source=photos', withFixture);
    await answered(page);
    const slider = page.getByTestId('budget-slider');
    const start = await slider.inputValue();
    const values = await watchText(page, 'budget-value');
    await page.getByTestId('sweep').click();
    // How many stops there are depends on how fast the fixture is here: its ladder may span no more than a few steps of the slider.
    await eventually(async () => new Set(await values()).size).toBeGreaterThan(1);
    expect(await on(page, 'sweep')).toBe('true');
    await page.getByTestId('sweep').click();
    await eventually(() => slider.inputValue()).toBe(start);
    expect(await on(page, 'sweep')).toBe('false');

    await page.getByTestId('sweep-shape').selectOption('jumps');
    await page.getByTestId('sweep').click();
    await eventually(() => slider.inputValue()).not.toBe(start);
    // The script may have left it at either end, where one of the keys moves nothing.
    for (const key of ['Home', 'End'] as const) await slide(page, key);
    const mine = await slider.inputValue();
    await eventually(() => on(page, 'sweep')).toBe('false');
    // Longer than a leap takes: the script must not take it back.
    await page.waitForTimeout(3000);
    expect(await slider.inputValue()).toBe(mine);
    expect(errors).toEqual([]);
    await page.context().close();
  });

  it('records, downloads and plays back the same decisions; says what is wrong with another file', async () => {
    const { page, errors } = await visit(site, '?source=photos', withFixture);
    await answered(page);
    await page.getByTestId('record').click();
    await eventually(() => on(page, 'record')).toBe('true');
    for (const to of ['Home', 'End'] as const) {
      await slide(page, to);
      const answers = await answersOf(page);
      await eventually(() => answersOf(page)).not.toBe(answers);
    }
    await page.getByTestId('record').click();
    const downloading = page.waitForEvent('download');
    await page.getByTestId('record-download').click();
    const download = await downloading;
    expect(download.suggestedFilename()).toMatch(/^running-stitch-.*\.jsonl$/);
    const trace = readFileSync(await download.path(), 'utf8');
    const lines = trace.trimEnd().split('\n');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ type: 'header', format: 'running-stitch-trace/1' });
    expect(lines.some((line) => line.includes('"sample"'))).toBe(true);

    const open = (name: string, content: string) =>
      page.getByTestId('trace-file').setInputFiles({ name, mimeType: 'application/jsonl', buffer: Buffer.from(content) });
    await open('ride.jsonl', trace);
    await eventually(() => text(page, 'playback-verdict')).toMatch(/identical/);
    const decided = lines.map((line) => JSON.parse(line) as TraceLine).filter((line) => line.type === 'decision');
    expect(decided.length).toBeGreaterThan(0);
    const told = await page.getByTestId('playback-log').locator('li span').allInnerTexts();
    expect(told).toEqual(decided.map(({ decision }) => explain(decision)));
    expect(await page.getByTestId('playback-plot').locator('.dots').first().getAttribute('d')).toMatch(/^M/);
    // One level at the start, and one a decision.
    const levels = 1 + lines.filter((line) => line.includes('"decision"')).length;
    for (const path of ['.allowed', '.route-line-path']) {
      const drawn = await page.getByTestId('playback-plot').locator(path).getAttribute('d');
      expect(drawn?.match(/V|M\S+ /g)).toHaveLength(levels);
    }

    // One number of one decision, changed by hand.
    const at = lines.findIndex((line) => line.includes('"decision"'));
    const forged = lines.with(at, (lines[at] ?? '').replace(/"slowdown":[\d.]+/, '"slowdown":7'));
    await open('forged.jsonl', forged.join('\n'));
    await eventually(() => text(page, 'playback-verdict')).toMatch(/differs/);
    await open('letter.txt', 'Dear all,');
    await eventually(() => text(page, 'playback-broken')).toMatch(/letter\.txt.*line 1/i);
    expect(await page.getByTestId('playback').isHidden()).toBe(true);

    // The last recording needs no file; and its budgets can be ridden again.
    await page.getByTestId('record-play').click();
    await eventually(() => text(page, 'playback-verdict')).toMatch(/identical/);
    expect(await page.getByTestId('sweep-shape').locator('option[value="trace"]').count()).toBe(1);
    expect(errors).toEqual([]);
    await page.context().close();
  });
});

describe('this device', () => {
  it('shows busy time against a plan that the energy mode sets, and says what it does not know', async () => {
    const { page, errors } = await visit(site, '?source=photos', async (p) => {
      await p.addInitScript(() => Object.assign(navigator, { getBattery: undefined }));
      await withFixture(p);
    });
    await answered(page);
    await eventually(() => text(page, 'device-busy')).toMatch(/[1-9].* s of each minute; no limit/);
    expect(await text(page, 'device-battery')).toBe('unknown');
    expect(await text(page, 'device-pressure')).toBe('unknown');
    await eventually(() => text(page, 'device-page')).toMatch(/fps|unknown/);
    await page.getByTestId('energy-select').selectOption('saver');
    await eventually(() => text(page, 'device-busy')).toMatch(/planned are \d+ s at most/);
    expect(await text(page, 'device-note')).toMatch(/joules/);
    await page.getByTestId('energy-select').selectOption('performance');
    await eventually(() => text(page, 'device-busy')).toMatch(/no limit/);
    expect(errors).toEqual([]);
    await page.context().close();
  });
});
