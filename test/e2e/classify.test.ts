/** `npm run classify`, as a person runs it: real photos, the committed bundle, the engine in a headless browser. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { env, execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const BUNDLE = join(ROOT, 'public/models/photos');
const photo = (name: string) => join(ROOT, 'public/samples', name);
const folder = mkdtempSync(join(tmpdir(), 'running-stitch-classify-'));
const broken = join(folder, 'broken.jpg');
writeFileSync(broken, 'this is no photo');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function classify(args: readonly string[], extraEnv: NodeJS.ProcessEnv = {}): Promise<Run> {
  const program = [join(ROOT, 'node_modules/tsx/dist/cli.mjs'), join(ROOT, 'src/tools/classify.ts')];
  return new Promise((resolve) => {
    const child = execFile(execPath, [...program, ...args], { env: { ...env, ...extraEnv } }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

interface Report {
  readonly bundle: { readonly name: string };
  readonly executor: string;
  readonly budgetMs: number;
  readonly results: readonly {
    readonly file: string;
    readonly label?: string;
    readonly probability?: number;
    readonly route?: string;
    readonly ms?: number;
    readonly top?: readonly unknown[];
    readonly error?: { readonly message: string };
  }[];
}

describe('npm run classify', () => {
  it('names what is in a photo; a missing and an undecodable file are errors, and the others are still classified', async () => {
    const missing = join(folder, 'missing.jpg');
    const files = [missing, photo('goldfish.jpg'), broken, photo('cat.jpg')];
    const { code, stdout, stderr } = await classify([...files, '--json', '--budget', '500', '--backend', 'wasm']);

    expect(stderr).toContain(`${missing}: no such file`);
    expect(stderr).toContain(`${broken}: `);
    expect(code).toBe(1);
    const report = JSON.parse(stdout) as Report;
    expect(report).toMatchObject({ bundle: { name: 'photos' }, executor: 'wasm', budgetMs: 500 });
    expect(report.results.map(({ file }) => file)).toEqual(files);
    expect(report.results.map(({ error }) => error === undefined)).toEqual([false, true, false, true]);

    const labels = JSON.parse(readFileSync(join(BUNDLE, 'labels.json'), 'utf8')) as string[];
    const { routes } = JSON.parse(readFileSync(join(BUNDLE, 'manifest.json'), 'utf8')) as { routes: { id: string }[] };
    for (const one of report.results.filter(({ error }) => error === undefined)) {
      expect(labels).toContain(one.label);
      expect(one.probability).toBeGreaterThan(1 / labels.length);
      expect(one.probability).toBeLessThanOrEqual(1);
      expect(routes.map(({ id }) => id)).toContain(one.route);
      expect(one.ms).toBeGreaterThan(0);
      expect(one.top?.length).toBeGreaterThan(1);
    }
  });

  it('prints a table, and runs the route that was asked for', async () => {
    const { routes } = JSON.parse(readFileSync(join(BUNDLE, 'manifest.json'), 'utf8')) as { routes: { id: string }[] };
    const route = routes.at(-1)?.id ?? '';
    const { code, stdout, stderr } = await classify([photo('goldfish.jpg'), '--route', route]);
    expect(stderr).toBe('');
    const [head, row, ...rest] = stdout.trimEnd().split('\n');
    expect(head?.split(/\s+/)).toEqual(['photo', 'label', 'probability', 'route', 'executor', 'ms']);
    expect(row).toMatch(/goldfish\.jpg\s+\S.*\d+\.\d %\s+\S+\s+(webgpu|wasm|cpu)\s+\d+\.\d$/);
    expect(row).toContain(` ${route} `);
    expect(rest).toEqual([]);
    expect(code).toBe(0);
  });

  it('answers a route that the bundle does not have with those it has', async () => {
    const { code, stdout, stderr } = await classify([photo('goldfish.jpg'), '--route', 'nowhere', '--backend', 'wasm']);
    expect(stderr).toMatch(/no route nowhere; it has:\n {2}\S/);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  it('says what is missing, in one sentence each', async () => {
    const noBundle = await classify([photo('goldfish.jpg'), '--bundle', folder]);
    expect(noBundle).toEqual({ code: 1, stdout: '', stderr: `classify: no bundle at ${folder}\n` });
    const noBrowser = await classify([photo('goldfish.jpg')], { CHROMIUM_PATH: join(folder, 'nothing') });
    expect(noBrowser.stderr).toMatch(/^classify: CHROMIUM_PATH is .*\n$/);
    expect(noBrowser.code).toBe(1);
    expect((await classify(['--budget', '0', photo('goldfish.jpg')])).code).toBe(2);
  });
});
