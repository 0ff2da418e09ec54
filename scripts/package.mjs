/**
 * `npm run package`: packs dist/lib as npm would, and has publint and "are the types wrong" look at the tarball. With a folder as
 * its argument the tarball stays there.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process, { argv, execPath } from 'node:process';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** Packs what was built; returns the tarball's path. */
export function pack(folder) {
  if (!existsSync(join(ROOT, 'dist/lib/index.js'))) throw new Error('no dist/lib: run `npm run build:lib` first');
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const [{ filename }] = JSON.parse(
    execFileSync('npm', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
  );
  return join(folder, filename);
}

/** True where the checker is content; it says itself what is wrong. */
function passes(name, program, args) {
  try {
    execFileSync(execPath, [join(ROOT, 'node_modules', program), ...args], { cwd: ROOT, stdio: 'inherit' });
    return true;
  } catch {
    console.error(`package: ${name} found fault with the package`);
    return false;
  }
}

function main() {
  const kept = argv[2];
  const folder = kept ?? mkdtempSync(join(tmpdir(), 'running-stitch-package-'));
  try {
    const tarball = pack(folder);
    const checks = [
      passes('publint', 'publint/src/cli.js', ['run', tarball, '--strict']),
      // The package is ES modules only, so what CommonJS and the oldest resolution would find does not count.
      passes('are the types wrong', '@arethetypeswrong/cli/dist/index.js', [tarball, '--profile', 'esm-only', '--no-emoji']),
    ];
    if (checks.includes(false)) process.exitCode = 1;
  } finally {
    if (kept === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

if (argv[1] === fileURLToPath(import.meta.url)) main();
