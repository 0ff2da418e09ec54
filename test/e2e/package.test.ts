/** The tarball as its users meet it: checkers, types, the bundler example, the command line. */
import { execFile, execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { env, execPath } from 'node:process';
import type { Browser } from 'playwright';
import { createServer } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openChromium, openTab } from './chromium';
import { ASSETS, buildExample, FIXTURE, type Packed, ROOT, SAMPLES, unpack } from './packed';
import { serve, type Server } from './serve';

/** The code blocks of a document, of one language. */
function blocksOf(path: string, language: string): string[] {
  const text = readFileSync(join(ROOT, path), 'utf8');
  return [...text.matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``, 'g'))].map(([, code]) => code ?? '');
}

/** The first code block of README.md that imports the package. */
const readmeExample = (): string => blocksOf('README.md', 'ts').find((code) => code.includes("from 'running-stitch'")) ?? '';

const README_PAGE = `<!doctype html><video src="/clip.webm" muted loop autoplay></video><script type="module" src="./src/readme.ts"></script>`;

let packed: Packed;
let site: string;
let server: Server;
let browser: Browser;
beforeAll(async () => {
  packed = unpack();
  site = buildExample(packed, { 'readme.html': README_PAGE, 'src/readme.ts': readmeExample() });
  // The README names the bundle of this repository; the small one answers faster.
  server = await serve({ folders: { ...ASSETS, '/models/photos/': FIXTURE, '/': site } });
  browser = await openChromium();
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  packed?.remove();
});

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The command as npx would find it. */
function command(args: readonly string[], extraEnv: NodeJS.ProcessEnv = {}): Promise<Run> {
  const { bin } = JSON.parse(readFileSync(join(packed.installed, 'package.json'), 'utf8')) as { bin: Record<string, string> };
  const program = join(packed.installed, bin['running-stitch'] ?? '');
  return new Promise((resolve) => {
    const child = execFile(
      execPath,
      [program, ...args],
      { cwd: packed.folder, env: { ...env, ...extraEnv } },
      (_, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

describe('the tarball', () => {
  it('carries what was built and documented, and no sources, tests or weights', () => {
    const files = readdirSync(packed.installed, { recursive: true }).map(String);
    const top = new Set(files.map((path) => path.split(/[/\\]/)[0]));
    expect(top).toEqual(new Set(['CHANGELOG.md', 'LICENSE', 'README.md', 'dist', 'docs', 'package.json']));
    expect(files.filter((path) => /\.(?:safetensors|map)$|\.test\./.test(path))).toEqual([]);
    expect(files.filter((path) => /(?<!\.d)\.ts$/.test(path))).toEqual([]);
  });

  it('names the licence of every library inside it', () => {
    const text = readFileSync(join(packed.installed, 'dist/lib/LICENSES.md'), 'utf8');
    for (const name of ['comlink', 'idb-keyval', '@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-webgpu']) {
      expect(text).toContain(`## ${name}`);
    }
  });

  it('compiles nothing from text', () => {
    const lib = join(packed.installed, 'dist/lib');
    const scripts = readdirSync(lib, { recursive: true })
      .map(String)
      .filter((path) => path.endsWith('.js'));
    expect(scripts.length).toBeGreaterThan(10);
    expect(scripts.filter((path) => /\beval\(|\bnew Function\(/.test(readFileSync(join(lib, path), 'utf8')))).toEqual([]);
  });

  it('names its files by literal addresses, and no names of CommonJS, so that bundlers follow it', () => {
    // Otherwise webpack looks for modules that are none, or promises names that are not there, and the fallback does not start.
    const lib = join(packed.installed, 'dist/lib');
    const texts = readdirSync(lib)
      .filter((path) => path.endsWith('.js'))
      .map((path) => readFileSync(join(lib, path), 'utf8'));
    const addresses = texts.flatMap((text) => text.match(/.{0,60}\bimport\.meta\.url/g) ?? []);
    expect(texts.filter((text) => /typeof __(?:file|dir)name/.test(text))).toEqual([]);
    expect(addresses.length).toBeGreaterThanOrEqual(3);
    expect(addresses.filter((one) => !/new URL\((['"`])\.\/[\w.-]+\1, ?import\.meta\.url$/.test(one))).toEqual([]);
  });

  it('has types that the examples, the README and the TSX of docs/embed.md compile against', () => {
    const app = join(packed.folder, 'app');
    const documented = blocksOf('docs/embed.md', 'tsx');
    expect(documented.some((code) => code.includes('<running-stitch'))).toBe(true);
    documented.forEach((code, i) => writeFileSync(join(app, `src/documented-${i}.tsx`), code));
    packed.add('@types/react');
    packed.add('@types/react-dom');
    const compilerOptions = {
      target: 'es2022',
      module: 'nodenext',
      moduleResolution: 'nodenext',
      lib: ['es2023', 'dom', 'dom.iterable'],
      jsx: 'react-jsx',
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      types: [],
    };
    const check = (options: object) => {
      writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, include: ['src'] }));
      const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
      return execFileSync(execPath, [tsc, '-p', app], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    };
    // Relative imports of the example have no extension, which only a bundler's resolution takes.
    expect(check({ ...compilerOptions, module: 'esnext', moduleResolution: 'bundler' })).toBe('');
    writeFileSync(
      join(app, 'src/entries.ts'),
      ['', '/worker', '/element', '/react', '/control', '/stitch']
        .map((entry, i) => `import * as e${i} from 'running-stitch${entry}';\nexport { e${i} };`)
        .join('\n'),
    );
    const nodenext = { ...compilerOptions, skipLibCheck: true };
    writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions: nodenext, files: ['src/entries.ts'] }));
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    expect(execFileSync(execPath, [tsc, '-p', app], { encoding: 'utf8' })).toBe('');
  });

  it('has entries without a DOM that Node imports', async () => {
    const script = `
      const control = await import('running-stitch/control');
      const stitch = await import('running-stitch/stitch');
      const element = await import('running-stitch/element');
      console.log(typeof control.createController, typeof stitch.leastSquares, typeof element.RunningStitchElement);`;
    writeFileSync(join(packed.folder, 'probe.mjs'), script);
    const out = execFileSync(execPath, [join(packed.folder, 'probe.mjs')], { cwd: packed.folder, encoding: 'utf8' });
    expect(out.trim()).toBe('function function function');
  });
});

describe('in a bundler', () => {
  it.each(['webgpu', 'wasm'])('classifies on %s, and fetches the fallback only where it is needed', async (backend) => {
    server.asked.length = 0;
    const { page, errors, close } = await openTab(browser, `${server.origin}/index.html?backend=${backend}`);
    await expect.poll(() => page.locator('#answer').innerText(), { timeout: 120_000 }).toMatch(new RegExp(`\\(${backend}\\)$`));
    expect(errors).toEqual([]);
    expect(server.asked.some((path) => path.endsWith('.wasm'))).toBe(backend === 'wasm');
    await close();
  });

  it("runs in Vite's development server", async () => {
    const app = join(packed.folder, 'app');
    cpSync(FIXTURE, join(app, 'public/models/tiny'), { recursive: true });
    cpSync(ASSETS['/photo.jpg'], join(app, 'public/photo.jpg'));
    // Browsers ask for it.
    writeFileSync(join(app, 'public/favicon.ico'), '');
    const vite = await createServer({
      root: app,
      logLevel: 'silent',
      // What the package depends on is linked into the folder from the repository.
      server: { host: 'localhost', port: 0, fs: { allow: [packed.folder, ROOT] } },
    });
    try {
      await vite.listen();
      for (const backend of ['webgpu', 'wasm']) {
        const { page, errors, close } = await openTab(browser, `${vite.resolvedUrls?.local[0]}index.html?backend=${backend}`);
        await expect
          .poll(() => page.locator('#answer').innerText(), { timeout: 120_000 })
          .toMatch(new RegExp(`\\(${backend}\\)$`));
        expect(errors).toEqual([]);
        await close();
      }
    } finally {
      await vite.close();
    }
  });

  it('runs the example of the README', async () => {
    const lines: string[] = [];
    const { page, errors, close } = await openTab(browser, 'about:blank');
    page.on('console', (message) => lines.push(message.text()));
    await page.goto(`${server.origin}/readme.html`);
    const routes = (JSON.parse(readFileSync(join(FIXTURE, 'manifest.json'), 'utf8')) as { routes: { id: string }[] }).routes;
    const answers = () => lines.filter((line) => routes.some(({ id }) => line.includes(` ${id} `))).length;
    await expect.poll(answers, { timeout: 120_000 }).toBeGreaterThan(3);
    expect(errors).toEqual([]);
    await close();
  });
});

describe('the command line', () => {
  it('imports a checkpoint, and verifies the bundle it made', async () => {
    const out = join(packed.folder, 'family');
    const checkpoint = join(ROOT, 'test/fixtures/import/timm-f32.pth');
    const made = await command(['import', checkpoint, '--name', 'packed', '--out', out, '--heads', '1']);
    expect(made.stderr).not.toMatch(/Error|at file:/);
    expect(made.code).toBe(0);
    const verified = await command(['verify', out, '--json']);
    expect(verified.code).toBe(0);
  });

  it('shows its own name in its help', async () => {
    const { stdout, code } = await command(['--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Usage: running-stitch /);
    expect(stdout).toContain('classify');
  });

  it('says what to install where the browser driver is missing, and drives the browser where it is there', async () => {
    const photo = join(SAMPLES, 'goldfish.jpg');
    const args = ['classify', photo, '--bundle', FIXTURE, '--backend', 'wasm', '--json'];
    const missing = await command(args);
    expect(missing).toMatchObject({ code: 1, stdout: '' });
    expect(missing.stderr).toBe(
      'classify: this needs the browser driver: npm install playwright (the browser itself may be an installed one)\n',
    );
    packed.add('playwright');
    const { code, stdout, stderr } = await command(args);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ bundle: { name: 'tiny' }, executor: 'wasm' });
  });

  it('has no default bundle, and says so', async () => {
    mkdirSync(join(packed.folder, 'empty'), { recursive: true });
    const { code, stderr } = await command(['classify', join(SAMPLES, 'goldfish.jpg')]);
    expect(stderr).toBe('classify: no bundle was named: use --bundle <manifest>\n');
    expect(code).toBe(1);
  });
});
