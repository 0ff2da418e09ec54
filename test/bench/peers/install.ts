/** The peers' packages: installed here, by this program, and nowhere else. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ToolError } from '../../../src/tools/lib/browser';

export const HERE = fileURLToPath(new URL('.', import.meta.url));

const packageJson = (folder: string): { version?: string; dependencies?: Record<string, string> } | undefined => {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version?: string };
  } catch {
    return undefined;
  }
};

/** Pinned versions by package. */
export const pinned = (): Readonly<Record<string, string>> => packageJson(HERE)?.dependencies ?? {};

/** Installs what is missing or of another version. Errors: ToolError, where npm fails. */
export function installPeers(): void {
  const stale = Object.entries(pinned()).filter(
    ([name, version]) => packageJson(join(HERE, 'node_modules', name))?.version !== version,
  );
  if (stale.length === 0) return;
  console.error(`Installing ${stale.map(([name, version]) => `${name} ${version}`).join(', ')} in test/bench/peers …`);
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  // No package of the peers needs its install script.
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', HERE];
  const { status } = spawnSync(npm, args, { cwd: HERE, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  if (status !== 0) {
    throw new ToolError('The peers could not be installed: run `npm ci` in test/bench/peers and see what it says.');
  }
}
