/** The example application, built from the tarball, on a local server, and a browser to open it with. */
import type { Browser } from 'playwright';
import { openChromium } from './chromium';
import { openCounting } from './element-page';
import { ASSETS, buildExample, unpack } from './packed';
import { serve } from './serve';

export interface ExampleSite {
  readonly browser: Browser;
  readonly origin: string;
  /** A page of it, whose workers are counted. */
  open(path: string): ReturnType<typeof openCounting>;
  close(): Promise<void>;
}

/** `extra`: pages and scripts beside those of the application, by path. */
export async function openExample(extra: Readonly<Record<string, string>>): Promise<ExampleSite> {
  const packed = unpack();
  try {
    const server = await serve({ folders: { ...ASSETS, '/': buildExample(packed, extra) } });
    const browser = await openChromium();
    return {
      browser,
      origin: server.origin,
      open: (path) => openCounting(browser, server.origin + path),
      async close() {
        await browser.close();
        await server.close();
        packed.remove();
      },
    };
  } catch (error) {
    packed.remove();
    throw error;
  }
}
