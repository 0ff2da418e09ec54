/** A program for cli.test.ts: begins a folder and waits, as a long `stitch` or `pack` does. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process, { argv } from 'node:process';
import { writeFolder } from '../../../../src/tools/model/partial';

process.on('SIGINT', () => process.exit(130));
await writeFolder(argv[2] ?? '', {}, async (folder) => {
  await writeFile(join(folder, 'half.safetensors'), 'x');
  process.stdout.write('ready\n');
  await new Promise((resolve) => setTimeout(resolve, 60_000));
});
