/** Starts the tfjs backends of the reference executor; each is its own chunk, fetched only when it is chosen. */
import * as tf from '@tensorflow/tfjs-core';
import { StitchError } from '../core/errors';
import { registerSimd } from './simd/register';

export type ReferenceBackend = 'wasm' | 'cpu';

/**
 * Makes `kind` the current tfjs backend, starting it if need be. Works in a page, in a module worker and, for `cpu`, in Node.
 * @throws StitchError `unsupported` where it cannot start, with the remedy in the message.
 */
export async function startBackend(kind: ReferenceBackend): Promise<void> {
  if (tf.getBackend() === kind) return;
  if (kind === 'wasm' && typeof WebAssembly === 'undefined') {
    throw failure(kind, 'this browser has no WebAssembly', 'Choose the backend "cpu", which needs none.');
  }
  let cause: unknown;
  try {
    // tfjs refuses a second setWasmPaths after a failed start, so a known backend is not located again.
    if (!tf.findBackendFactory(kind)) await load(kind);
    if (await tf.setBackend(kind)) {
      if (kind === 'wasm') await registerSimd();
      return;
    }
  } catch (error) {
    cause = error;
  }
  throw failure(
    kind,
    'it did not start (tfjs writes its reason to the console)',
    kind === 'wasm'
      ? 'Check that the .wasm files beside the worker are served and that the content security policy allows ' +
          `'wasm-unsafe-eval', or choose the backend "cpu".`
      : 'Check that the files beside the worker are served.',
    cause,
  );
}

async function load(kind: ReferenceBackend): Promise<void> {
  if (kind === 'wasm') (await import('./wasm')).locateBinaries();
  else await import('@tensorflow/tfjs-backend-cpu');
}

function failure(kind: ReferenceBackend, why: string, remedy: string, cause?: unknown): StitchError {
  return new StitchError(
    'unsupported',
    `The ${kind} backend of tfjs is not available: ${why}. ${remedy}`,
    { backend: kind },
    cause,
  );
}
