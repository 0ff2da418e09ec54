/** Stitching in a page: the anchors of a bundle fetched and parsed there, fitted on either tfjs backend, with the answer of Node. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { startBackend } from '../../../src/reference/backends';
import { parseSafetensors, type Tensors } from '../../../src/stitching/index';
import { EXPECTED, fitTiny, residualsOf } from '../../support/fit-tiny';
import { openFixture } from '../../support/fixtures';

async function fetchTensors(manifestUrl: string, files: readonly string[]): Promise<Tensors> {
  const shards = await Promise.all(
    files.map(async (file) => parseSafetensors(await (await fetch(new URL(file, manifestUrl))).arrayBuffer(), file)),
  );
  return new Map(shards.flatMap((shard) => [...shard]));
}

describe.each(['wasm', 'cpu'] as const)('on tfjs %s', (backend) => {
  test('finds the residuals that Node finds, and weights of their shapes', async () => {
    await startBackend(backend);
    const { manifest, manifestUrl } = await openFixture('tiny');
    const before = tf.memory().numTensors;
    const fit = await fitTiny(
      manifest,
      await fetchTensors(
        manifestUrl,
        manifest.shards.map(({ file }) => file),
      ),
    );
    expect(tf.getBackend()).toBe(backend);
    expect(fit.rows).toBe(8 * 17);
    // Sums of f32 products in another order differ in the sixth digit of an activation.
    const close = (value: number) => expect.closeTo(value, 4) as number;
    expect(residualsOf(fit)).toEqual(EXPECTED.map(([pair, ...numbers]) => [pair, ...numbers.map(close)]));
    expect(fit.stitches.map(({ id, weight, bias }) => [id, weight.length, bias.length])).toEqual([
      ['a-b.0', 48 * 32, 48],
      ['a-b.1', 48 * 32, 48],
    ]);
    expect(tf.memory().numTensors).toBe(before);
  });
});
