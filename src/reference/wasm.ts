/** tfjs' WASM backend with its binaries served by the app itself. Loaded on demand: importing this file pulls the backend in. */
import * as tf from '@tensorflow/tfjs-core';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import plain from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url';
import simd from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';

/**
 * Points tfjs at the binaries. Must run once, before the backend starts. The builds write whole addresses; to resolve them once more
 * here, `new URL(plain, import.meta.url)`, would have webpack look for a module of that name.
 *
 * The threaded binary is not used: tfjs 4.22 gives its matrix products no thread pool (batch_mat_mul_impl.cc passes null), so it
 * costs a third file and workers from blob URLs, which strict content security policies forbid, and gains nothing.
 */
export function locateBinaries(): void {
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  setWasmPaths({
    'tfjs-backend-wasm.wasm': plain,
    'tfjs-backend-wasm-simd.wasm': simd,
    // tfjs insists on an entry; the flag above keeps it from being fetched.
    'tfjs-backend-wasm-threaded-simd.wasm': simd,
  });
}
