/** `npm run model -- profile`, as a person runs it: a bundle of the fixtures in a headless browser. */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { env, execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { priorsFor } from '../../src/bundle/priors';
import { readManifest } from '../../src/tools/model/read-bundle';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const folder = mkdtempSync(join(tmpdir(), 'running-stitch-profile-'));
const bundle = join(folder, 'tiny');
const manifestText = () => readFileSync(join(bundle, 'manifest.json'), 'utf8');
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => cpSync(join(ROOT, 'test/fixtures/tiny'), bundle, { recursive: true }));

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `interrupt`: text on stderr at which Ctrl-C is pressed. */
function profile(
  args: readonly string[],
  { interrupt = '', ...extra }: NodeJS.ProcessEnv & { interrupt?: string } = {},
): Promise<Run> {
  const program = ['--import', 'tsx', join(ROOT, 'src/tools/model.ts'), 'profile', ...args];
  const child = spawn(execPath, program, { cwd: ROOT, env: { ...env, ...extra } });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString();
    if (interrupt !== '' && stderr.includes(interrupt)) child.kill('SIGINT');
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
}

interface Report {
  readonly executor: string;
  readonly written: boolean;
  readonly heldOut: { readonly routes: number; readonly medianError: number; readonly worstError: number };
  readonly routes: readonly {
    readonly id: string;
    readonly role: string;
    readonly medianMs?: number;
    readonly predictedMs: number;
  }[];
}

describe('npm run model -- profile', () => {
  it('measures every route, predicts those it did not fit on, and writes what it measured as priors', async () => {
    const args = [bundle, '--routes', 'all', '--backend', 'wasm', '--rounds', '2', '--frames', '2', '--fit', '2', '--json'];
    const { code, stdout } = await profile(args);
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as Report;
    const { manifest } = await readManifest(bundle);
    expect(report).toMatchObject({ executor: 'wasm', written: true });
    expect(report.routes.map(({ id }) => id).sort()).toEqual(manifest.routes.map(({ id }) => id).sort());
    for (const { medianMs, predictedMs } of report.routes) {
      expect(medianMs).toBeGreaterThan(0);
      expect(predictedMs).toBeGreaterThan(0);
    }
    expect(report.routes.filter(({ role }) => role === 'fit')).toHaveLength(2 + 2);
    expect(report.heldOut.routes).toBe(manifest.routes.length - 4);
    expect(report.heldOut.worstError).toBeGreaterThanOrEqual(report.heldOut.medianError);
    expect(manifest.priors).toMatchObject([{ executor: 'wasm', frames: 4 }]);
    const priors = new Map(priorsFor(manifest.priors, 'wasm')!.map(({ route, medianMs }) => [route, medianMs]));
    for (const { id, medianMs } of report.routes) expect(priors.get(id)).toBeCloseTo(medianMs!, 3);
  });

  it('measures a few only where it is told to, and leaves the manifest alone', async () => {
    const before = manifestText();
    const { code, stdout } = await profile([
      bundle,
      '--predict-only',
      '--backend',
      'wasm',
      '--rounds',
      '1',
      '--frames',
      '1',
      '--fit',
      '1',
      '--no-write',
    ]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^a\b.*\bfit$/m);
    expect(stdout).toMatch(/\bpredicted$/m);
    expect(stdout).toMatch(/off by \d+\.\d % in the median and \d+\.\d % at worst on 5 others/);
    expect(stdout).toContain('Nothing was written.');
    expect(manifestText()).toBe(before);
  });

  it('is ended by Ctrl-C, with nothing written', async () => {
    const before = manifestText();
    const { code, stdout } = await profile([bundle, '--backend', 'wasm', '--rounds', '100000', '--routes', 'all'], {
      interrupt: 'measuring',
    });
    expect(code).toBe(130);
    expect(stdout).toBe('');
    expect(manifestText()).toBe(before);
    expect(readdirSync(folder)).toEqual(['tiny']);
  });

  it('says what is missing', async () => {
    const noBrowser = await profile([bundle], { CHROMIUM_PATH: join(folder, 'nothing') });
    expect([noBrowser.code, noBrowser.stderr]).toEqual([1, expect.stringMatching(/^model: CHROMIUM_PATH is /)]);
    const noRoute = await profile([bundle, '--routes', 'nowhere']);
    expect([noRoute.code, noRoute.stderr]).toEqual([1, expect.stringMatching(/^model: The bundle has no route "nowhere"/)]);
  });
});
