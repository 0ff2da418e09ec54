/** Content security policies, really sent by the server: the strict one, and what each other case needs on top (docs/csp.md). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openChromium, openTab } from './chromium';
import { ASSETS, buildExample, type Packed, ROOT, unpack } from './packed';
import { serve } from './serve';

const SUPPORT_PAGE = '<!doctype html><p id="answer">Loading</p><script type="module" src="./src/support.ts"></script>';
const SUPPORT = `import { checkSupport } from 'running-stitch';
document.querySelector('#answer')!.textContent = JSON.stringify(await checkSupport());`;
const TRUSTED = "require-trusted-types-for 'script'; trusted-types running-stitch";

let packed: Packed;
let site: string;
let browser: Browser;
beforeAll(async () => {
  packed = unpack();
  site = buildExample(packed, { 'support.html': SUPPORT_PAGE, 'src/support.ts': SUPPORT });
  browser = await openChromium();
});
afterAll(async () => {
  await browser?.close();
  packed?.remove();
});

/** The policies that docs/csp.md tells people to copy, by the word in their code fence. */
function documented(name: string, cdn = ''): string {
  const text = readFileSync(join(ROOT, 'docs/csp.md'), 'utf8');
  const found = new RegExp(`<!-- policy: ${name} -->\n+\`\`\`http\nContent-Security-Policy: ([^]*?)\n\`\`\``).exec(text)?.[1];
  if (found === undefined) throw new Error(`docs/csp.md has no policy ${name}`);
  return found.replace(/\s+/g, ' ').replaceAll('https://cdn.example', cdn);
}

interface Look {
  readonly text: string;
  readonly errors: readonly string[];
}

/** Opens a page of the example application under a policy, until `selector` says something final. */
async function look(policy: string, path: string, selector = '#answer'): Promise<Look> {
  const server = await serve({ folders: { ...ASSETS, '/': site }, headers: { 'content-security-policy': policy } });
  const { page, errors, close } = await openTab(browser, server.origin + path);
  const read = () => page.locator(selector).first().innerText();
  try {
    await expect.poll(read, { timeout: 120_000 }).not.toMatch(/^(?:|Loading.*|loading|ready)$/);
    return { text: await read(), errors };
  } finally {
    await close();
    await server.close();
  }
}

describe('the strict policy', () => {
  it('is the one that was promised', () => {
    expect(documented('strict')).toBe("default-src 'self'; script-src 'self'; worker-src 'self'; connect-src 'self'");
  });

  it('is enough on WebGPU, for the API, the element and the hook', async () => {
    const strict = documented('strict');
    const api = await look(strict, '/index.html?backend=webgpu');
    expect(api.errors).toEqual([]);
    expect(api.text).toMatch(/\(webgpu\)$/);
    const element = await look(strict, '/element.html?backend=webgpu', '#first [part=live]');
    expect(element.errors).toEqual([]);
    expect(element.text).toMatch(/^class \d+$/);
    const react = await look(strict, '/react.html?backend=webgpu', '#one');
    expect(react.errors).toEqual([]);
    expect(react.text).toMatch(/^class \d+$/);
  });

  it('with Trusted Types on top is enough as well', async () => {
    const policy = `${documented('strict')}; ${TRUSTED}`;
    expect(documented('trusted-types')).toBe(policy);
    const api = await look(policy, '/index.html?backend=webgpu');
    expect(api.errors).toEqual([]);
    expect(api.text).toMatch(/\(webgpu\)$/);
    const element = await look(policy, '/element.html?backend=webgpu', '#first [part=live]');
    expect(element.errors).toEqual([]);
    expect(element.text).toMatch(/^class \d+$/);
    const support = await look(policy, '/support.html');
    expect(support.errors).toEqual([]);
    expect(JSON.parse(support.text)).toMatchObject({ moduleWorkers: true });
  });

  it('under Trusted Types that do not know the library, the worker is refused with the remedy', async () => {
    const { text } = await look(
      `${documented('strict')}; require-trusted-types-for 'script'; trusted-types other`,
      '/index.html?backend=webgpu',
    );
    expect(text).toMatch(/^worker-died: /);
    expect(text).toContain('trusted-types running-stitch');
  });
});

describe('WebAssembly', () => {
  it("is refused by the strict policy, and the message names 'wasm-unsafe-eval'", async () => {
    const { text } = await look(documented('strict'), '/index.html?backend=wasm');
    expect(text).toMatch(/^unsupported: .*'wasm-unsafe-eval'/);
  });

  it("needs only 'wasm-unsafe-eval' more", async () => {
    const { text, errors } = await look(documented('wasm'), '/index.html?backend=wasm');
    expect(errors).toEqual([]);
    expect(text).toMatch(/\(wasm\)$/);
  });

  it('gives way to plain JavaScript where nothing else is allowed', async () => {
    const { text } = await look(documented('strict'), '/index.html');
    expect(text).toMatch(/\((?:cpu|webgpu)\)$/);
  });
});

describe('the script from another origin', () => {
  const open = async (policy: (cdn: string) => string, backend: string): Promise<Look> => {
    const cdn = await serve({ folders: { '/': join(ROOT, 'dist/lib') }, headers: { 'access-control-allow-origin': '*' } });
    const server = await serve({
      folders: { ...ASSETS, '/': join(ROOT, 'examples/script') },
      headers: { 'content-security-policy': policy(cdn.origin) },
      edit: (path, text) =>
        path.endsWith('.html') ? text.replace('https://cdn.example', cdn.origin).replace(/ integrity="[^"]*"/, '') : text,
    });
    const { page, errors, close } = await openTab(browser, `${server.origin}/?backend=${backend}`);
    const read = () => page.locator('#answer').innerText();
    try {
      await expect.poll(read, { timeout: 120_000 }).not.toBe('Loading');
      return { text: await read(), errors };
    } finally {
      await close();
      await server.close();
      await cdn.close();
    }
  };

  it('needs its origin in script-src and blob: in worker-src, with and without Trusted Types', async () => {
    const plain = await open((cdn) => documented('script', cdn), 'webgpu');
    expect(plain.errors).toEqual([]);
    expect(plain.text).toMatch(/\(webgpu\)$/);
    const trusted = await open((cdn) => `${documented('script', cdn)}; ${TRUSTED}`, 'webgpu');
    expect(trusted.errors).toEqual([]);
    expect(trusted.text).toMatch(/\(webgpu\)$/);
  });

  it('is told to allow blob: where it is missing', async () => {
    const { text } = await open((cdn) => documented('script', cdn).replace('blob:', "'self'"), 'webgpu');
    expect(text).toMatch(/^worker-died: .*worker-src/);
  });

  it('runs its WASM fallback with the policy for that', async () => {
    const { text, errors } = await open((cdn) => documented('script-wasm', cdn), 'wasm');
    expect(errors).toEqual([]);
    expect(text).toMatch(/\(wasm\)$/);
  });
});
