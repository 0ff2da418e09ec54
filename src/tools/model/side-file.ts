/**
 * Work that can be taken up again: a JSON-lines file whose first line says what the work is and whose others are finished parts.
 * A last line that a kill cut short is dropped.
 */
import { appendFile, readFile, rm } from 'node:fs/promises';
import { StitchError } from '../../core/errors';
import { writing } from '../lib/file-errors';
import { writeWhole } from './partial';

export interface SideFile<Part> {
  /** Parts that an earlier run finished. */
  readonly parts: readonly Part[];
  add(part: Part): Promise<void>;
  remove(): Promise<void>;
}

/**
 * Opens or begins the file at `path`. `task` must be what an earlier run said, word for word; `restart` throws that run away, and
 * whatever else stands there. Errors: argument-invalid where the file is anything but the beginning of this work, with the remedy;
 * storage.
 */
export async function openSideFile<Part>(path: string, task: object, restart: boolean): Promise<SideFile<Part>> {
  const text = restart ? '' : await readFile(path, 'utf8').catch(() => '');
  const header = JSON.stringify(task);
  const refuse = (problem: string, cause?: unknown): never => {
    throw new StitchError('argument-invalid', `${path} ${problem}. Pass --restart to throw it away.`, { path }, cause);
  };
  // Only what follows the last line end can be cut short: the header was written whole, so a file without it is not this one's.
  const lines = text.split('\n').slice(0, -1);
  if (text !== '' && lines[0] !== header) {
    refuse('is not the beginning of this evaluation, but of one with other weights, images or settings, or another file');
  }
  const parts = lines.slice(1).map((line, index): Part => {
    try {
      return JSON.parse(line) as Part;
    } catch (error) {
      return refuse(`is damaged in line ${index + 2}`, error);
    }
  });
  const whole = lines.length > 0 ? lines : [header];
  await writeWhole(path, `${whole.join('\n')}\n`);
  return {
    parts,
    add: (part) => writing(path, () => appendFile(path, `${JSON.stringify(part)}\n`)),
    remove: () => rm(path, { force: true }),
  };
}
