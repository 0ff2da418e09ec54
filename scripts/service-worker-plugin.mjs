/**
 * Builds `service-worker.js` at the root of the site, with the list of the site's files and a version made of their contents.
 * Only in builds: while developing there is none to get in the way.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

const FILE = 'service-worker.js';

const filesIn = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'));

/** `leaveOut`: files that the service worker does not keep. */
export function serviceWorker({ entry, leaveOut }) {
  let publicDir = '';
  return {
    name: 'service-worker',
    apply: 'build',
    enforce: 'post',
    configResolved(config) {
      ({ publicDir } = config);
    },
    buildStart() {
      // Workers are built by a run of their own, which has no site around it.
      if (this.environment?.config.isWorker !== true) this.emitFile({ type: 'chunk', id: entry, fileName: FILE });
    },
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        const chunk = bundle[FILE];
        if (chunk === undefined) return;
        const contents = new Map();
        for (const [name, file] of Object.entries(bundle)) contents.set(name, file.type === 'chunk' ? file.code : file.source);
        for (const name of filesIn(publicDir)) contents.set(name, readFileSync(join(publicDir, name)));
        contents.delete(FILE);
        const files = [...contents.keys()].filter((name) => !leaveOut.test(name)).sort((a, b) => (a < b ? -1 : 1));
        const hash = createHash('sha256');
        for (const name of files) hash.update(name).update(contents.get(name));
        // The worker itself is part of the version: a change of its code must reach pages, too.
        const version = hash.update(chunk.code).digest('hex').slice(0, 16);
        if (!chunk.code.includes('RUNNING_STITCH_PRECACHE')) throw new Error(`${FILE} has no place for its list of files`);
        chunk.code = chunk.code.replaceAll('RUNNING_STITCH_PRECACHE', JSON.stringify({ version, files }));
      },
    },
  };
}
