/**
 * The script build's stand-in for `runtime/start-worker.ts`. A page may not start a worker from another origin, so this build
 * carries the worker's code and starts it from a blob; `worker-src blob:` has to allow that.
 */
import { source } from 'virtual:engine-worker';
import { trustedScriptUrl } from '../runtime/trusted-types';
import { FALLBACK_FILE, FALLBACK_GLOBAL } from './fallback-address';
import { HOME } from './home';

let url: string | undefined;

export function startWorker(): Worker {
  if (url === undefined) {
    // A blob has no address of its own from which the worker could tell where the fallback lies: it is told.
    const fallback = JSON.stringify(new URL(FALLBACK_FILE, HOME).href);
    // Kept for the page's life: a restart needs it again, and browsers differ in when a worker has read it.
    url = URL.createObjectURL(
      new Blob([`globalThis.${FALLBACK_GLOBAL} = ${fallback};\n`, source], { type: 'text/javascript' }),
    );
  }
  return new Worker(trustedScriptUrl(url), { type: 'module', name: 'running-stitch' });
}
