/** Starts the library's own worker. The script build puts `embed/start-worker.ts` in the place of this file. */
import { trustedScriptUrl } from './trusted-types';

// Written out literally, with the global `Worker`: bundlers recognise only this form.
const start = (): Worker =>
  new Worker(new URL('../engine/worker.ts', import.meta.url), { type: 'module', name: 'running-stitch' });

/** Errors: whatever the browser throws where a policy forbids the worker. */
export function startWorker(): Worker {
  if (!('trustedTypes' in globalThis)) return start();
  // The address exists only inside the literal form above, so the constructor is what has to pass it through the policy: for
  // this one synchronous call.
  const Native = globalThis.Worker;
  globalThis.Worker = class extends Native {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(trustedScriptUrl(String(url)), options);
    }
  };
  try {
    return start();
  } finally {
    globalThis.Worker = Native;
  }
}
