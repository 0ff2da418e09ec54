/**
 * The script build's stand-in for `reference/executor.ts` in the worker: the same module, fetched from beside the script when it
 * is needed. It brings its own copies of what it shares with the worker.
 */
import { StitchError } from '../core/errors';
import type { createReferenceExecutor as Create } from '../reference/executor';
import { FALLBACK_GLOBAL } from './fallback-address';

export const createReferenceExecutor: typeof Create = async (manifest, backend) => {
  const address = (globalThis as unknown as Record<string, string>)[FALLBACK_GLOBAL];
  const fallback = (await import(/* @vite-ignore */ address ?? '').catch((error: unknown) => {
    throw new StitchError(
      'network',
      `The fallback executor ${address} could not be fetched. Serve it beside the script, with CORS, and allow it in script-src.`,
      {},
      error,
    );
  })) as { createReferenceExecutor: typeof Create };
  return fallback.createReferenceExecutor(manifest, backend);
};
