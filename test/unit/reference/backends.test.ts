import * as tf from '@tensorflow/tfjs-core';
import { afterEach, expect, test, vi } from 'vitest';
import { startBackend } from '../../../src/reference/backends';

afterEach(() => vi.unstubAllGlobals());

test('without WebAssembly the WASM backend is unsupported, and the message names the way out', async () => {
  vi.stubGlobal('WebAssembly', undefined);
  await expect(startBackend('wasm')).rejects.toMatchObject({
    code: 'unsupported',
    detail: { backend: 'wasm' },
    message: expect.stringMatching(/no WebAssembly.*"cpu"/),
  });
});

test('a backend that does not start is unsupported, with the remedy', async () => {
  tf.registerBackend('wasm', () => {
    throw new Error('no memory');
  });
  await expect(startBackend('wasm')).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringMatching(/did not start.*wasm-unsafe-eval.*"cpu"/),
  });
  tf.removeBackend('wasm');
});

test('CPU starts by itself and a second start changes nothing', async () => {
  await startBackend('cpu');
  expect(tf.getBackend()).toBe('cpu');
  await startBackend('cpu');
  expect(tf.getBackend()).toBe('cpu');
});
