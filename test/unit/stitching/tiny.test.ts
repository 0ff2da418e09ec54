/** The fit that test/browser/stitching repeats in a page. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it, vi } from 'vitest';
import { startBackend } from '../../../src/reference/backends';
import { EXPECTED, fitTiny, residualsOf } from '../../support/fit-tiny';
import { readFixture } from '../reference/node-fixture';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
beforeAll(() => startBackend('cpu'));

it('finds the residuals that a browser must find too', async () => {
  const { manifest, shards } = readFixture('tiny');
  const fit = await fitTiny(manifest, new Map(shards.flatMap((shard) => [...shard.tensors])));
  expect(fit.rows).toBe(8 * 17);
  const close = (value: number) => expect.closeTo(value, 5) as number;
  expect(residualsOf(fit)).toEqual(EXPECTED.map(([pair, ...numbers]) => [pair, ...numbers.map(close)]));
  expect(tf.memory().numTensors).toBe(0);
});
