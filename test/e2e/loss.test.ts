/** The built demo when its engine is lost while it runs: what it says of the networks that come again. */
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answered, eventually, slide, text } from './demo-page';
import { openSite, type Site, visit } from './site';

let site: Site;
beforeAll(async () => {
  site = await openSite();
});
afterAll(() => site.close());

/** What the page says of arrivals from now on, and whether it takes them for complete, in order. */
async function noteArrivals(page: Page): Promise<() => Promise<string[]>> {
  await page.evaluate(() => {
    const root = document.documentElement;
    const box = document.querySelector<HTMLElement>('#more')!;
    const said: string[] = [];
    Object.assign(globalThis, { said });
    const note = (): void => {
      const words = box.hidden ? '' : box.querySelector('#more-text')!.textContent;
      said.push(`${root.dataset['complete'] === 'true' ? 'complete' : 'loading'} ${words}`);
    };
    const options = { attributes: true, childList: true, characterData: true };
    new MutationObserver(note).observe(root, options);
    new MutationObserver(note).observe(box, { ...options, subtree: true });
  });
  return () => page.evaluate(() => (globalThis as unknown as { said: string[] }).said);
}

/** On the smallest network, so that this is what comes back first. */
async function runSmall(page: Page): Promise<void> {
  await answered(page);
  await slide(page, 'Home');
  await eventually(() => text(page, 'route-id')).toBe('w96');
}

const loseEngine = (page: Page) => page.workers()[0]!.evaluate(() => reportError(new Error('out of memory, say')));

describe('after a loss', () => {
  it('says that the larger network is still arriving until it is there again', async () => {
    const { page } = await visit(site, '?source=photos');
    await runSmall(page);
    const said = await noteArrivals(page);
    await loseEngine(page);
    await eventually(said).toContainEqual(expect.stringMatching(/^loading Larger networks are still arriving/));
    await eventually(async () => (await said()).at(-1)).toBe('complete ');
    expect((await said()).filter((one) => /did not arrive/.test(one))).toEqual([]);
    await slide(page, 'End');
    await eventually(() => text(page, 'route-id')).toContain('w128');
    await page.context().close();
  });
});
