/** The package as `npm install` of its tarball would lay it out, and the example application built with it. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { pack } from '../../scripts/package.mjs';

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const FIXTURE = join(ROOT, 'test/fixtures/tiny');
export const SAMPLES = join(ROOT, 'public/samples');

export interface Packed {
  /** A folder with `node_modules/running-stitch`, and of other packages only those that it depends on. */
  readonly folder: string;
  /** The package itself. */
  readonly installed: string;
  /** Makes a package of this repository's node_modules known in the folder, as an install by the user would. */
  add(name: string): void;
  remove(): void;
}

export function unpack(): Packed {
  const folder = mkdtempSync(join(tmpdir(), 'running-stitch-packed-'));
  const installed = join(folder, 'node_modules/running-stitch');
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['xzf', pack(folder), '--strip-components=1', '-C', installed]);
  const add = (name: string): void => {
    const link = join(folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), link, 'junction');
  };
  const { dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  for (const name of Object.keys(dependencies)) add(name);
  return { folder, installed, add, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Builds examples/vite-app, with the extra pages and scripts given; returns the folder of the site. */
export function buildExample(packed: Packed, extra: Readonly<Record<string, string>> = {}): string {
  const app = join(packed.folder, 'app');
  cpSync(join(ROOT, 'examples/vite-app'), app, { recursive: true });
  for (const [path, text] of Object.entries(extra)) writeFileSync(join(app, path), text);
  packed.add('react');
  packed.add('react-dom');
  const pages = Object.keys(extra).filter((path) => path.endsWith('.html'));
  if (pages.length > 0) {
    const config = readFileSync(join(app, 'vite.config.js'), 'utf8');
    writeFileSync(
      join(app, 'vite.config.js'),
      config.replace("'index.html'", `'index.html', ${JSON.stringify(pages).slice(1, -1)}`),
    );
  }
  execFileSync(execPath, [join(ROOT, 'node_modules/vite/bin/vite.js'), 'build', '--logLevel', 'warn'], {
    cwd: app,
    stdio: 'pipe',
  });
  return join(app, 'dist');
}

/** What every example page finds beside itself. */
export const ASSETS = {
  '/models/tiny/': FIXTURE,
  '/photo.jpg': join(SAMPLES, 'goldfish.jpg'),
  '/clip.webm': join(SAMPLES, 'clip.webm'),
};
