/** The front door: a page that only might classify something loads this, and the runtime with its controller when it does. */
import { loadCancelled, unlessAborted } from '../core/abort';
import { StitchError } from '../core/errors';
import type { Runtime, RuntimeOptions } from './api';

/**
 * Loads a bundle in a worker and resolves when it can classify: with the smallest anchor's routes, as a rule, while the others
 * load on (`loaded`). Errors: argument-invalid (budget, backend, maxAnchor, meteredAnchor), unsupported, bundle-invalid,
 * bundle-integrity, network, shader, out-of-memory, device-lost, worker-died, aborted. After an error nothing is left running.
 */
export async function createRuntime(options: RuntimeOptions): Promise<Runtime> {
  const { signal } = options;
  if (signal?.aborted) throw loadCancelled();
  const fetched = import('./runtime').catch((error: unknown) => {
    throw new StitchError(
      'network',
      'The runtime could not be fetched: its file is gone (a newer version was deployed?) or the network is. Reload the page.',
      {},
      error,
    );
  });
  const { createRuntime: create } = await unlessAborted(fetched, signal, loadCancelled);
  return create(options);
}
