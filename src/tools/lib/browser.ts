/** Drives the tools page in an installed, headless Chrome or Chromium. */
import type * as Playwright from 'playwright';
import type { Browser } from 'playwright';
import { BASE_ARGS, findChromium, missingChromium } from '../../../scripts/chromium.mjs';
import type { Answer, PageApi, PageGlobals } from '../page/protocol';

/** A failure whose text is the whole message for the user. */
export class ToolError extends Error {}

export interface OpenPage extends PageApi {
  close(): Promise<void>;
}

type Progress = (phase: string, share: number) => void;

/** The driver is an optional peer of the package: only this tool needs it. */
async function driver(): Promise<typeof Playwright> {
  try {
    return await import('playwright');
  } catch (error) {
    throw new ToolError('this needs the browser driver: npm install playwright (the browser itself may be an installed one)', {
      cause: error,
    });
  }
}

async function launch(executablePath: string): Promise<Browser> {
  const { chromium } = await driver();
  try {
    return await chromium.launch({ executablePath, args: [...BASE_ARGS], headless: true, chromiumSandbox: true });
  } catch (error) {
    throw new ToolError(`${executablePath} does not start: ${String(error).split('\n')[0]}`, { cause: error });
  }
}

/** A start that takes longer than this hangs, most likely in the GPU process. A photo's own limit is the runtime's. */
const LOAD_MS = 300_000;

function loadLimit(): Promise<Answer<never>> {
  const late = { error: { code: 'worker-died', message: `It did not answer for ${LOAD_MS / 1000} s.` } };
  return new Promise((resolve) => setTimeout(resolve, LOAD_MS, late).unref());
}

/** The executable; where there is none, an error that says what to install. */
export function browserPath(): string {
  const path = findChromium();
  if (path === undefined) throw new ToolError(missingChromium());
  return path;
}

/** Opens the page. The engine decides what computes: the machine's GPU where the browser offers it, else WASM. */
export async function openPage(executable: string, url: string, onProgress: Progress): Promise<OpenPage> {
  const browser = await launch(executable);
  const page = await browser.newPage();
  await page.exposeFunction('onLoadProgress', onProgress);
  await page.goto(url);
  const failed = new Promise<Answer<never>>((resolve) => {
    const dead = { error: { code: 'worker-died', message: 'The browser ended before it answered.' } };
    page.once('crash', () => resolve(dead));
    browser.once('disconnected', () => resolve(dead));
  });
  return {
    load: (options) =>
      Promise.race([
        page.evaluate((o) => (globalThis as unknown as PageGlobals).runningStitch.load(o), options),
        failed,
        loadLimit(),
      ]),
    classify: (photo, route) =>
      Promise.race([
        page.evaluate(([p, r]) => (globalThis as unknown as PageGlobals).runningStitch.classify(p, r), [photo, route] as const),
        failed,
      ]),
    time: (route, frames) =>
      Promise.race([
        page.evaluate(([r, f]) => (globalThis as unknown as PageGlobals).runningStitch.time(r, f), [route, frames] as const),
        failed,
      ]),
    close: () => browser.close(),
  };
}
