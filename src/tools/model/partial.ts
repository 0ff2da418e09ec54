/**
 * Folders and files that appear whole or not at all: work goes on beside the target, under a hidden name, and a rename ends it.
 * What is unfinished is removed when the work fails, is aborted, or the process ends, by Ctrl-C too.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import process from 'node:process';
import { FORMAT } from '../../bundle/manifest';
import { StitchError } from '../../core/errors';
import { writing } from '../lib/file-errors';

const unfinished = new Set<string>();
let watching = false;

/** `exit` runs synchronously and last, whatever ended the process but SIGKILL. */
function watch(): void {
  if (watching) return;
  watching = true;
  process.on('exit', () => {
    for (const path of unfinished) rmSync(path, { recursive: true, force: true });
  });
}

const besides = (target: string, what: string): string =>
  join(dirname(target), `.${basename(target)}.${what}-${process.pid}-${randomBytes(4).toString('hex')}`);

/** Errors: aborted. */
export function throwIfStopped(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new StitchError('aborted', 'Stopped before the end; nothing was written.', {}, signal.reason);
  }
}

/**
 * Refuses a target that exists: any file, any folder that is no bundle, and a bundle unless `force`.
 * Errors: argument-invalid with the remedy.
 */
export async function requireFree(target: string, force: boolean): Promise<void> {
  if (!existsSync(target)) return;
  const entries = await readdir(target).catch(() => undefined);
  if (entries?.length === 0) return;
  const problem = (what: string, remedy: string) => {
    throw new StitchError('argument-invalid', `${target} ${what}. ${remedy}`, { target });
  };
  if (entries === undefined) problem('is a file', 'Name a folder that does not exist yet.');
  const manifest = await readFile(join(target, 'manifest.json'), 'utf8').catch(() => '');
  if (!manifest.includes(FORMAT)) problem('exists and holds no bundle', 'Name another folder; this one is never replaced.');
  if (!force) problem('holds a bundle already', 'Name another folder, or pass --force to replace it.');
}

/**
 * Runs `work` on a new folder and puts it at `target`. With `force` a bundle there is replaced; what stood beside it and is no
 * part of it, such as MODEL_CARD.md, lies in the new folder from the start. Returns the names of what was kept so.
 * Errors: argument-invalid (see {@link requireFree}), storage, and whatever `work` throws; then nothing has changed.
 */
export async function writeFolder(
  target: string,
  { force = false, signal }: { readonly force?: boolean | undefined; readonly signal?: AbortSignal | undefined },
  work: (folder: string) => Promise<void>,
): Promise<readonly string[]> {
  const path = resolve(target);
  await requireFree(path, force);
  watch();
  const folder = besides(path, 'partial');
  unfinished.add(folder);
  try {
    return await writing(path, async () => {
      await mkdir(folder, { recursive: true });
      const kept = await foreignFiles(path);
      for (const name of kept) await cp(join(path, name), join(folder, name), { recursive: true });
      await work(folder);
      throwIfStopped(signal);
      await swap(folder, path);
      return kept;
    });
  } finally {
    await clear(folder);
  }
}

/** What lies in a bundle's folder and is none of the files that its manifest names; also where that is no longer JSON. */
async function foreignFiles(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder).catch(() => []);
  const manifest = await readFile(join(folder, 'manifest.json'), 'utf8').catch(() => '');
  const own = new Set(['manifest.json', ...Array.from(manifest.matchAll(/"file"\s*:\s*"([^"]+)"/g), ([, file]) => file!)]);
  return entries.filter((name) => !own.has(name));
}

/** Why the work failed is worth more than that its remains cannot be removed. */
async function clear(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => undefined);
  unfinished.delete(path);
}

async function swap(folder: string, target: string): Promise<void> {
  if (!existsSync(target)) {
    await rename(folder, target);
    return;
  }
  const old = besides(target, 'old');
  await rename(target, old);
  try {
    await rename(folder, target);
  } catch (error) {
    await rename(old, target);
    throw error;
  }
  await rm(old, { recursive: true, force: true });
}

/** Replaces one file in one step. Errors: storage. */
export async function writeWhole(target: string, data: string | Uint8Array): Promise<void> {
  const path = resolve(target);
  watch();
  const partial = besides(path, 'partial');
  unfinished.add(partial);
  try {
    await writing(path, async () => {
      await writeFile(partial, data);
      await rename(partial, path);
    });
  } finally {
    await clear(partial);
  }
}
