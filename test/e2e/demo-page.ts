/** Hands and eyes for the demo's page, shared by its tests. */
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright';
import { expect } from 'vitest';

/** A slow machine may take long to get there; nothing here is a matter of speed. */
export const eventually = <T>(read: () => Promise<T>) => expect.poll(read, { timeout: 60_000 });

export const text = (page: Page, id: string): Promise<string> => page.getByTestId(id).innerText();
export const answered = (page: Page) => eventually(() => text(page, 'top-label')).not.toBe('…');

/** The chart's text counts the answers. */
export const answersOf = (page: Page): Promise<string> => text(page, 'chart-text');

/** Moves the slider as a person with a keyboard does. */
export async function slide(page: Page, to: 'Home' | 'End'): Promise<void> {
  await page.getByTestId('budget-slider').focus();
  await page.keyboard.press(to);
}

/** The small fixture bundle instead of the default one: plain JavaScript is slow, and traces need no good answers. */
export async function withFixture(page: Page): Promise<void> {
  await page.route('**/models/**', (route) =>
    route.fulfill({
      path: fileURLToPath(new URL(`../fixtures/tiny/${basename(new URL(route.request().url()).pathname)}`, import.meta.url)),
    }),
  );
}
