/** Slices on tfjs' WASM backend with the kernels of this project in front: the same values as the CPU backend's. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { startBackend } from '../../../src/reference/backends';
import { startNodeBackend } from '../../../src/tools/model/node-engine';
import { normals } from '../stitching/random';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const values = Float32Array.from(normals(4 * 3 * 5, 1));
const CASES: Readonly<Record<string, (x: tf.Tensor3D) => tf.Tensor | tf.Tensor[]>> = {
  'a run of rows': (x) => tf.slice(x, [1, 0, 0], [2, 3, 5]),
  'part of one row': (x) => tf.slice(x, [2, 1, 0], [1, 2, 5]),
  'one value': (x) => tf.slice(x, [3, 2, 4], [1, 1, 1]),
  'to the end, by -1': (x) => tf.slice(x, [2, 0, 0], [-1, -1, -1]),
  'pieces with gaps': (x) => tf.slice(x, [0, 1, 0], [4, 1, 5]),
  columns: (x) => tf.slice(x, [0, 0, 2], [4, 3, 2]),
  nothing: (x) => tf.slice(x, [0, 0, 0], [0, 3, 5]),
  'of a list': (x) => tf.slice(tf.reshape(x, [60]), 7, 11),
  'of whole numbers': (x) => tf.slice(tf.cast(tf.mul(x, 100), 'int32'), [1, 0, 0], [1, 3, 5]),
  unstacked: (x) => tf.unstack(x),
  'unstacked along the middle': (x) => tf.unstack(x, 1),
  'unstacked along the last, by -1': (x) => tf.unstack(x, -1),
};

function run(name: string) {
  return tf.tidy(() => {
    const made = CASES[name]!(tf.tensor3d(values, [4, 3, 5]));
    return [made].flat().map((tensor) => ({ shape: tensor.shape, dtype: tensor.dtype, values: [...tensor.dataSync()] }));
  });
}

describe('slices', () => {
  const expected = new Map<string, ReturnType<typeof run>>();
  beforeAll(async () => {
    await startBackend('cpu');
    for (const name of Object.keys(CASES)) expected.set(name, run(name));
    expect(await startNodeBackend('wasm')).toBe('wasm');
  });

  it.each(Object.keys(CASES))('%s', (name) => {
    expect(run(name)).toEqual(expected.get(name));
  });

  it('do not share memory with what they are cut from, and may outlive it', () => {
    const whole = tf.tensor2d(values, [12, 5]);
    const [first, ...others] = tf.unstack(whole) as [tf.Tensor, ...tf.Tensor[]];
    whole.dispose();
    const filler = tf.ones([12, 5]);
    expect([...first.dataSync()]).toEqual([...values.subarray(0, 5)]);
    tf.dispose([first, ...others, filler]);
    expect(tf.memory().numTensors).toBe(0);
  });

  it('copies only the piece: cutting a large tensor up takes time in proportion to it, not to its square', () => {
    const rows = 8000;
    const time = (count: number) => {
      const x = tf.zeros([count, 64]);
      const start = performance.now();
      tf.dispose(tf.unstack(x));
      const ms = performance.now() - start;
      x.dispose();
      return ms;
    };
    time(rows);
    // A copy of all 8000 rows for each row would be 16 GB; the pieces are 2 MB.
    expect(Math.min(time(rows), time(rows), time(rows))).toBeLessThan(1500);
  });
});
