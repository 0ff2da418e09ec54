/** Hands and eyes for pages with `<running-stitch>` elements, shared by its tests. */
import type { Browser, Page } from 'playwright';
import { expect } from 'vitest';
import type { Classification } from '../../src/index';
import { openTab, type Tab } from './chromium';

export const eventually = <T>(read: () => Promise<T>) => expect.poll(read, { timeout: 90_000 });

/** With a count of the workers that the page ever had. */
export async function openCounting(browser: Browser, url: string): Promise<Tab & { workers(): number }> {
  // A busy test machine reports critical pressure, which rightly leaves out frames.
  const tab = await openTab(browser, 'about:blank', (context) =>
    context.addInitScript(() => void Reflect.deleteProperty(globalThis, 'PressureObserver')),
  );
  let workers = 0;
  tab.page.on('worker', () => (workers += 1));
  await tab.page.goto(url);
  return { ...tab, workers: () => workers };
}

export const alive = (page: Page): number => page.workers().length;
export const state = (page: Page, id: string) => page.locator(id).getAttribute('state');
export const part = (page: Page, id: string, name: string) => page.locator(`${id} [part=${name}]`);

/** Adds elements and returns when they are in the page. */
export function add(page: Page, html: string): Promise<void> {
  return page.evaluate((text) => {
    const template = document.createElement('template');
    template.innerHTML = text;
    document.body.append(template.content);
  }, html);
}

/** Notes the best probability of every answer from now on; returns those of one element, by its id. */
export async function noteAnswers(page: Page): Promise<(id: string) => Promise<number[]>> {
  await page.evaluate(() => {
    const answers: [id: string, probability: number][] = [];
    Object.assign(globalThis, { answers });
    const note = (event: Event): void => {
      const { top } = (event as CustomEvent<Classification>).detail;
      answers.push([(event.target as Element).id, top[0]!.probability]);
    };
    // Capturing, since none of its events bubbles.
    document.addEventListener('result', note, true);
  });
  const all = () => page.evaluate(() => (globalThis as unknown as { answers: [string, number][] }).answers);
  return async (id) => (await all()).flatMap(([of, probability]) => (of === id ? [probability] : []));
}

export const IMAGE = '<img src="/photo.jpg" alt="">';

export const tag = (id: string, attributes: string, content = IMAGE, backend = 'webgpu') =>
  `<running-stitch id="${id}" src="/models/tiny/manifest.json" backend="${backend}" ${attributes}>${content}</running-stitch>`;
