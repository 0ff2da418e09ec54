/** A browser, the soak page in it, and what its heap holds. */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright';
import { BASE_ARGS, CHROMIUM_ARGS } from '../../scripts/chromium.mjs';
import { browserPath } from '../../src/tools/lib/browser';
import { startHost } from '../../src/tools/lib/host';
import type { SoakGlobals } from './page/page';

const PAGE = fileURLToPath(new URL('page', import.meta.url));
export const TINY = fileURLToPath(new URL('../fixtures/tiny/manifest.json', import.meta.url));

export interface SoakSite {
  readonly browser: Browser;
  readonly context: BrowserContext;
  openPage(): Promise<Page>;
  close(): Promise<void>;
}

/** `software`: on the software adapter even where there is a GPU. */
export async function openSoakSite(bundle: string, software: boolean): Promise<SoakSite> {
  const host = await startHost(resolve(bundle), [], PAGE);
  const browser = await chromium.launch({
    executablePath: browserPath(),
    args: [...(software ? CHROMIUM_ARGS : BASE_ARGS), '--enable-precise-memory-info'],
    chromiumSandbox: true,
    headless: true,
  });
  const context = await browser.newContext();
  return {
    browser,
    context,
    async openPage() {
      const page = await context.newPage();
      page.setDefaultTimeout(0);
      await page.goto(host.url);
      await page.waitForFunction(() => 'soak' in globalThis);
      return page;
    },
    async close() {
      await browser.close();
      host.close();
    },
  };
}

/** Calls one of the page's functions. */
export function call<K extends keyof SoakGlobals>(
  page: Page,
  name: K,
  ...args: Parameters<SoakGlobals[K]>
): ReturnType<SoakGlobals[K]> {
  return page.evaluate(
    ([key, list]) =>
      ((globalThis as unknown as { soak: Record<string, (...a: unknown[]) => unknown> }).soak[key as string] ?? (() => {}))(
        ...(list as unknown[]),
      ),
    [name, args] as const,
  ) as ReturnType<SoakGlobals[K]>;
}

/** Bytes that the page's JavaScript holds after a collection. */
export async function pageHeap(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  try {
    await session.send('HeapProfiler.collectGarbage');
    return (await session.send('Runtime.getHeapUsage')).usedSize;
  } finally {
    await session.detach();
  }
}

/** Bytes that the JavaScript of the page's only worker holds after a collection. */
export async function workerHeap(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  try {
    const attached = new Promise<string>((found) => {
      session.on('Target.attachedToTarget', ({ sessionId, targetInfo }) => targetInfo.type === 'worker' && found(sessionId));
    });
    // Not flattened, because Playwright has no session object for what it did not attach to itself.
    await session.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
    const sessionId = await attached;
    const answers = new Map<number, (value: { usedSize?: number }) => void>();
    session.on('Target.receivedMessageFromTarget', ({ message }) => {
      const { id, result } = JSON.parse(message) as { id: number; result: { usedSize?: number } };
      answers.get(id)?.(result);
    });
    const ask = (id: number, method: string) =>
      new Promise<{ usedSize?: number }>((answer) => {
        answers.set(id, answer);
        void session.send('Target.sendMessageToTarget', { sessionId, message: JSON.stringify({ id, method }) });
      });
    await ask(1, 'HeapProfiler.collectGarbage');
    return (await ask(2, 'Runtime.getHeapUsage')).usedSize ?? Number.NaN;
  } finally {
    await session.detach();
  }
}
