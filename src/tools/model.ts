/** `npm run model -- <command>`: import, stitch, evaluate, pack, inspect and verify bundles. See `--help`. */
import process, { argv } from 'node:process';
import { INTERRUPTED, runCli } from './model/cli';
import { createProgress } from './model/progress';

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // The second one does not wait for the end of the step that is running; `exit` still clears away what is unfinished.
    if (stop.signal.aborted) process.exit(INTERRUPTED);
    stop.abort();
  });
}

process.exitCode = await runCli(argv.slice(2), {
  out: (text) => console.log(text),
  err: (text) => console.error(text),
  progress: createProgress(),
  signal: stop.signal,
});
