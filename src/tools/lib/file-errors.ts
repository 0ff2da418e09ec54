/** What the file system refuses, as an error that says where, why and what to do. */
import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { StitchError } from '../../core/errors';

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota of the disk is used up',
  EACCES: 'it may not be written',
  EPERM: 'it may not be written',
  EROFS: 'the disk is read-only',
  ENOENT: 'its folder is not there',
  ENOTDIR: 'its folder is a file',
  EISDIR: 'it is a folder',
};

const isErrno = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && typeof (error as NodeJS.ErrnoException).errno === 'number';

/** The error that `path` was refused with, as `storage`. */
export function storageFailure(path: string, error: unknown, remedy: string): StitchError {
  const why = REASONS[isErrno(error) ? (error.code ?? '') : ''] ?? String(error);
  return new StitchError('storage', `${path}: ${why}. ${remedy}`, { path }, error);
}

const REMEDY = 'Make room, or name another place.';

/** Runs work that writes `path`: what the file system refuses is a `storage` error, anything else stays what it is. */
export async function writing<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isErrno(error) ? storageFailure(path, error, REMEDY) : error;
  }
}

/** Whether a file can be written at `path`, before the work whose result goes there. Errors: storage. */
export async function requireWritable(path: string): Promise<void> {
  const folder = dirname(path);
  const refuse = (problem: string): never => {
    throw new StitchError('storage', `${path}: ${problem}. Make its folder first, or name another place.`, { path });
  };
  const [found, around] = [await stat(path).catch(() => undefined), await stat(folder).catch(() => undefined)];
  if (found?.isDirectory()) refuse('it is a folder');
  if (around === undefined) refuse(REASONS['ENOENT']!);
  if (!around!.isDirectory()) refuse(REASONS['ENOTDIR']!);
  await access(folder, constants.W_OK).catch(() => refuse('its folder may not be written'));
}
