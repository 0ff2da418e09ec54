/**
 * Work that can be taken up again: a JSON-lines file whose first line says what the work is and whose others are finished parts.
 * A last line that a kill cut short is dropped.
 */
import { appendFile, readFile, rm } from 'node:fs/promises';
import { StitchError } from '../../core/errors';
import { writeWhole } from './partial';

export interface SideFile<Part> {
  /** Parts that an earlier run finished. */
  readonly parts: readonly Part[];
  add(part: Part): Promise<void>;
  remove(): Promise<void>;
}

/**
 * Opens or begins the file at `path`. `task` must be what an earlier run said, word for word; `restart` throws that run away.
 * Errors: argument-invalid where the file belongs to other work, with the remedy.
 */
export async function openSideFile<Part>(path: string, task: object, restart: boolean): Promise<SideFile<Part>> {
  const text = restart ? '' : await readFile(path, 'utf8').catch(() => '');
  const header = JSON.stringify(task);
  const lines = text.split('\n').slice(0, -1);
  if (text !== '' && lines[0] !== undefined && lines[0] !== header) {
    const problem = `${path} holds the beginning of another evaluation (other weights, images or settings)`;
    throw new StitchError('argument-invalid', `${problem}. Pass --restart to throw it away.`, { path });
  }
  const whole = lines.length > 0 ? lines : [header];
  await writeWhole(path, `${whole.join('\n')}\n`);
  return {
    parts: whole.slice(1).map((line) => JSON.parse(line) as Part),
    add: (part) => appendFile(path, `${JSON.stringify(part)}\n`),
    remove: () => rm(path, { force: true }),
  };
}
