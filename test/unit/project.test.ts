/** Promises of the project that no other test looks at: its dependencies, its scripts, what must not be in the tree. */
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { countReport } from '../../scripts/test-counts.mjs';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const MANDATED = ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-webgpu', 'comlink', 'vite', 'idb-keyval'];
const MAX_TEXT_BYTES = 1_000_000;

interface Package {
  readonly type: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Package;

/** The text files git knows or would take, with their content. */
function textFiles(): { path: string; text: string }[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return [...new Set(listed.split('\0'))].flatMap((path) => {
    const size = path === '' ? undefined : statSync(join(ROOT, path), { throwIfNoEntry: false });
    if (!size?.isFile() || size.size > MAX_TEXT_BYTES) return [];
    const text = readFileSync(join(ROOT, path), 'utf8');
    return text.includes('\0') ? [] : [{ path, text }];
  });
}

describe('package.json', () => {
  it('depends on the libraries the project is built on', () => {
    const all = { ...manifest.dependencies, ...manifest.devDependencies };
    expect(Object.keys(all)).toEqual(expect.arrayContaining(MANDATED));
  });

  it('pins every version exactly, and one version of TensorFlow.js', () => {
    const all = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(all.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
    expect(new Set(all.filter(([name]) => name.startsWith('@tensorflow/')).map(([, version]) => version)).size).toBe(1);
  });

  it('runs on Node 20 as an ES module', () => {
    expect(manifest.type).toBe('module');
    expect(manifest.engines['node']).toBe('>=20.19');
    expect(readFileSync(join(ROOT, '.nvmrc'), 'utf8').trim()).toMatch(/^20\./);
  });

  it('has the commands that README.md names', () => {
    const named = [...readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/npm run (?:--silent )?([\w:-]+)/g)].map(
      ([, name]) => name ?? '',
    );
    expect(named.filter((name) => !(name in manifest.scripts))).toEqual([]);
    expect(manifest.scripts).toMatchObject({ start: expect.any(String), test: expect.any(String) });
  });
});

describe('the tree', () => {
  const files = textFiles();
  const having = (pattern: RegExp, where = /./) =>
    files.filter(({ path, text }) => where.test(path) && pattern.test(text)).map(({ path }) => path);

  it('leaves no test switched to run alone', () => {
    expect(having(/\b(?:describe|it|test|suite)(?:\.\w+)*\.only\b/, /^test\/.*\.ts$/)).toEqual([]);
  });

  it('names nobody’s home folder', () => {
    expect(having(/(?:^|[\s"'`(=:])(?:\/home\/|\/Users\/|\/root\/|[A-Z]:\\\\?Users\\)[\w.-]/)).toEqual([]);
  });

  it('records no download addresses in the lock file', () => {
    expect(having(/"resolved": "http/, /^package-lock\.json$/)).toEqual([]);
  });

  it('commits no conflict markers', () => {
    expect(having(/^(?:<{7}|>{7}) /m)).toEqual([]);
  });
});

describe('the count of tests', () => {
  const file = (status: string, ...tests: string[]) => ({ status, assertionResults: tests.map((t) => ({ status: t })) });

  it('adds up files, and counts a file that did not load as one failure', () => {
    const report = {
      testResults: [file('passed', 'passed', 'skipped', 'todo'), file('failed', 'passed', 'failed'), file('failed')],
    };
    expect(countReport(report)).toEqual({ passed: 2, failed: 2, skipped: 2 });
  });
});
