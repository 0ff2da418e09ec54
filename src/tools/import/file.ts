/** Files of strangers, read in pieces: nothing is held open between reads, and no read goes past the end. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { StitchError } from '../../core/errors';

/** One system call reads at most this much. */
const MAX_STEP = 2 ** 30;

/** Throws `bundle-invalid` naming the file and, where there is one, the entry in it. */
export function invalid(file: string, entry: string | undefined, problem: string, remedy: string, cause?: unknown): never {
  const at = entry === undefined ? file : `${file}, ${entry}`;
  throw new StitchError(
    'bundle-invalid',
    `${at}: ${problem}. ${remedy}`,
    entry === undefined ? { file } : { file, entry },
    cause,
  );
}

/** A file of known size. */
export interface RandomFile {
  readonly path: string;
  readonly bytes: number;
  /**
   * Bytes [offset, offset + length) as a fresh array. The caller checks the range against `bytes`.
   * Errors: bundle-invalid where the file has become shorter, argument-invalid where it cannot be read any more.
   */
  read(offset: number, length: number): Uint8Array<ArrayBuffer>;
}

/** Opens a plain file. Errors: argument-invalid where there is none or it is not readable. */
export function openFile(path: string): RandomFile {
  const bytes = withFile(path, (handle) => {
    const found = fstatSync(handle);
    if (found.isFile()) return found.size;
    throw new StitchError('argument-invalid', `${path} is not a file. Give the path of a checkpoint file.`, { path });
  });
  const read = (offset: number, length: number) =>
    withFile(path, (handle) => {
      const out = new Uint8Array(length);
      for (let done = 0; done < length;) {
        const got = readSync(handle, out, done, Math.min(MAX_STEP, length - done), offset + done);
        if (got === 0) invalid(path, undefined, `it ends at byte ${offset + done}, and it had ${bytes}`, 'Fetch it again.');
        done += got;
      }
      return out;
    });
  return { path, bytes, read };
}

function withFile<T>(path: string, work: (handle: number) => T): T {
  let handle: number;
  try {
    handle = openSync(path, 'r');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const why = { ENOENT: 'there is no such file', EACCES: 'it may not be read' }[code] ?? String(error);
    throw new StitchError('argument-invalid', `${path}: ${why}. Check the path.`, { path }, error);
  }
  try {
    return work(handle);
  } finally {
    closeSync(handle);
  }
}
