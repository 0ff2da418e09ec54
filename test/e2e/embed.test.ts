/** The script build on a page of another origin: integrity, the worker from a blob, the fallback beside the script. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openChromium, openTab } from './chromium';
import { ASSETS, ROOT } from './packed';
import { serve, type Server } from './serve';

const LIB = join(ROOT, 'dist/lib');
const integrity = `sha384-${createHash('sha384')
  .update(readFileSync(join(LIB, 'running-stitch.iife.js')))
  .digest('base64')}`;

let cdn: Server;
let browser: Browser;
beforeAll(async () => {
  cdn = await serve({ folders: { '/': LIB }, headers: { 'access-control-allow-origin': '*' } });
  browser = await openChromium();
});
afterAll(async () => {
  await browser?.close();
  await cdn?.close();
});

/** examples/script with the address and the hash filled in. */
function host(hash = integrity, headers: Readonly<Record<string, string>> = {}): Promise<Server> {
  return serve({
    folders: { ...ASSETS, '/': join(ROOT, 'examples/script') },
    headers,
    edit: (path, text) =>
      path.endsWith('.html') ? text.replace('https://cdn.example', cdn.origin).replace('sha384-HASH', hash) : text,
  });
}

describe('the script from another origin', () => {
  it.each(['webgpu', 'wasm', 'cpu'])('classifies on %s, for the API and the element', async (backend) => {
    const server = await host();
    const { page, errors, close } = await openTab(browser, `${server.origin}/?backend=${backend}`);
    const answer = page.locator('#answer');
    await expect.poll(() => answer.innerText(), { timeout: 120_000 }).toMatch(new RegExp(`\\(${backend}\\)$`));
    const spoken = page.locator('running-stitch [part=live]');
    await expect.poll(() => spoken.innerText(), { timeout: 120_000 }).toMatch(/^class \d+$/);
    expect(errors).toEqual([]);
    // Everything of the worker came inside the script; the fallback only where it was needed.
    const fetched = new Set(cdn.asked.splice(0));
    expect([...fetched].filter((path) => path.includes('worker'))).toEqual([]);
    expect(fetched.has('/running-stitch.fallback.js')).toBe(backend !== 'webgpu');
    expect([...fetched].some((path) => path.endsWith('.wasm'))).toBe(backend === 'wasm');
    await close();
    await server.close();
  });

  it('lets an element that is still being parsed find its picture, and asks for no camera', async () => {
    const early = `<!doctype html><script src="${cdn.origin}/running-stitch.iife.js"></script>
      <running-stitch src="/models/tiny/manifest.json" backend="cpu" loading="eager"><img src="/photo.jpg" alt=""></running-stitch>`;
    const server = await serve({
      folders: { ...ASSETS, '/': join(ROOT, 'examples/script') },
      edit: (path, text) => (path.endsWith('.html') ? early : text),
    });
    const { page, close } = await openTab(browser, 'about:blank');
    await page.addInitScript(() => {
      navigator.mediaDevices.getUserMedia = () => {
        document.documentElement.dataset['asked'] = 'camera';
        return Promise.reject(new Error('no camera here'));
      };
    });
    await page.goto(`${server.origin}/`);
    const spoken = page.locator('running-stitch [part=live]');
    await expect.poll(() => spoken.innerText(), { timeout: 60_000 }).toMatch(/^class \d+$/);
    expect(await page.locator('html').getAttribute('data-asked')).toBeNull();
    await close();
    await server.close();
  });

  it('is refused where a byte differs from the integrity value', async () => {
    const other = `sha384-${createHash('sha384').update('other').digest('base64')}`;
    const server = await host(other);
    const { page, errors, close } = await openTab(browser, `${server.origin}/`);
    await expect.poll(() => errors.join('\n')).toMatch(/integrity/);
    expect(await page.evaluate(() => 'RunningStitch' in globalThis)).toBe(false);
    await close();
    await server.close();
  });

  it('says what to do where the fallback is not served', async () => {
    const bare = await serve({
      folders: { '/running-stitch.iife.js': join(LIB, 'running-stitch.iife.js') },
      headers: { 'access-control-allow-origin': '*' },
    });
    const server = await serve({
      folders: { ...ASSETS, '/': join(ROOT, 'examples/script') },
      edit: (path, text) =>
        path.endsWith('.html') ? text.replace('https://cdn.example', bare.origin).replace('sha384-HASH', integrity) : text,
    });
    const { page, close } = await openTab(browser, `${server.origin}/?backend=wasm`);
    await expect
      .poll(() => page.locator('#answer').innerText(), { timeout: 60_000 })
      .toBe(
        `network: The fallback executor ${bare.origin}/running-stitch.fallback.js could not be fetched. Serve it beside the script, with CORS, and allow it in script-src.`,
      );
    await close();
    await server.close();
    await bare.close();
  });
});
