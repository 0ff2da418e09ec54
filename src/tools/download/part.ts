/**
 * The unfinished file of a download. Its name carries the ETag of what it holds the beginning of, so that a later run knows
 * what it may go on with, and nothing but this one file lies there: `<file>.<etag in base64url>.part`.
 */
import { existsSync } from 'node:fs';
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { storageFailure } from '../lib/file-errors';

const LONGEST_ETAG = 120;

export interface Part {
  readonly path: string;
  /** Strong validator of the content; undefined where it cannot be resumed. */
  readonly etag: string | undefined;
  readonly bytes: number;
}

/** The part that an earlier run left, if there is one. */
export async function findPart(target: string): Promise<Part | undefined> {
  const [found] = await partsOf(target);
  if (found === undefined) return undefined;
  const tag = found.slice(basename(target).length + 1, -'.part'.length);
  const path = join(dirname(target), found);
  const etag = tag === '' ? undefined : Buffer.from(tag, 'base64url').toString('utf8');
  return { path, etag, bytes: (await stat(path)).size };
}

/** An empty part for content with this ETag; any other part of the target goes. */
export async function startPart(target: string, etag: string | undefined): Promise<Part> {
  await dropParts(target);
  const strong = etag !== undefined && /^"[\x21-\x7e]*"$/.test(etag) && etag.length <= LONGEST_ETAG ? etag : undefined;
  const tag = strong === undefined ? '' : `.${Buffer.from(strong).toString('base64url')}`;
  const path = `${target}${tag}.part`;
  await openPart(path, 'w').then((handle) => handle.close());
  return { path, etag: strong, bytes: 0 };
}

/** A handle that appends. Errors: storage. */
export async function openPart(path: string, flags: 'a' | 'w'): Promise<FileHandle> {
  return open(path, flags).catch((error: unknown) => storageError(path, error));
}

export function storageError(path: string, error: unknown): never {
  throw storageFailure(path, error, 'Make room, or choose another cache folder.');
}

/** The part becomes the target, at once. */
export async function finishPart({ path }: Part, target: string): Promise<void> {
  await rename(path, target).catch((error: unknown) => storageError(target, error));
}

export async function dropParts(target: string): Promise<void> {
  for (const name of await partsOf(target)) await rm(join(dirname(target), name), { force: true });
}

async function partsOf(target: string): Promise<string[]> {
  const folder = dirname(target);
  if (!existsSync(folder)) return [];
  const start = `${basename(target)}.`;
  // `<file>.part` without an ETag, or one tag between.
  return (await readdir(folder)).filter(
    (name) => name.startsWith(start) && /^([A-Za-z0-9_-]*\.)?part$/.test(name.slice(start.length)),
  );
}
