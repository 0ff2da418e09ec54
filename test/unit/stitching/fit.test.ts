import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseSafetensors, tensorToF32 } from '../../../src/bundle/safetensors';
import { fitStitches, type Activations, type StitchToFit } from '../../../src/stitching/fit';
import { leastSquares } from '../../../src/stitching/lstsq';
import { expectError } from '../bundle/expect-error';
import { affine, distance, normals } from './random';

/** One batch, or several, of activations given by "anchor block". */
function activations(
  rows: number,
  values: Readonly<Record<string, Float32Array>>,
  batches = 1,
): () => AsyncIterable<Activations> {
  return async function* () {
    const size = Math.ceil(rows / batches);
    for (let from = 0; from < rows; from += size) {
      const count = Math.min(size, rows - from);
      yield {
        rows: count,
        tokens: (anchor, block) => {
          const all = values[`${anchor} ${block}`]!;
          const width = all.length / rows;
          return all.subarray(from * width, (from + count) * width);
        },
      };
    }
  };
}

const dims = new Map([
  ['f', 6],
  ['b', 8],
]);
const ROWS = 200;
const f32 = (count: number, seed: number) => Float32Array.from(normals(count, seed));
const maps = [1, 2].map((seed) => ({ weight: f32(8 * 6, seed), bias: f32(8, seed + 10) }));
const front = [f32(ROWS * 6, 20), f32(ROWS * 6, 21)] as const;
const values = {
  'f 0': front[0],
  'f 1': front[1],
  // What back block 0 takes in is the embedding, what block 1 takes in is the output of block 0.
  'b -1': Float32Array.from(affine(front[0], maps[0]!, ROWS, 6)),
  'b 0': Float32Array.from(affine(front[1], maps[1]!, ROWS, 6)),
};
const shared: StitchToFit = {
  id: 'f-b.0',
  from: 'f',
  to: 'b',
  pairs: [
    { front: 0, back: 0 },
    { front: 1, back: 1 },
  ],
};

describe('fitStitches', () => {
  it('targets the output of the block before the entry block, and the embedding for block 0', async () => {
    const stitches = [0, 1].map((n) => ({ ...shared, id: `f-b.${n}`, pairs: [shared.pairs[n]!] }));
    const { stitches: fitted, pairs } = await fitStitches({ stitches, dims, batches: activations(ROWS, values) });
    for (const n of [0, 1]) {
      expect(distance(fitted[n]!.weight, maps[n]!.weight)).toBeLessThan(1e-6);
      expect(distance(fitted[n]!.bias, maps[n]!.bias)).toBeLessThan(1e-6);
      expect(pairs[n]).toMatchObject({ stitch: `f-b.${n}`, front: n, back: n });
      expect(pairs[n]!.after).toBeLessThan(1e-6);
      expect(pairs[n]!.before).toBeGreaterThan(0.5);
    }
  });

  it('gives a shared stitch the mean of its pairs’ solutions, not the solution of the joined rows', async () => {
    const result = await fitStitches({ stitches: [shared], dims, batches: activations(ROWS, values) });
    const [fitted] = result.stitches;
    const mean = maps[0]!.weight.map((value, i) => (value + maps[1]!.weight[i]!) / 2);
    expect(distance(fitted!.weight, mean)).toBeLessThan(1e-6);
    const joined = leastSquares(
      Float32Array.of(...front[0], ...front[1]),
      Float32Array.of(...values['b -1'], ...values['b 0']),
      { rows: 2 * ROWS, inputs: 6, outputs: 8 },
    );
    expect(distance(fitted!.weight, joined.weight)).toBeGreaterThan(0.01);
    for (const pair of result.pairs) {
      expect(pair.own).toBeLessThan(1e-6);
      expect(pair.after).toBeGreaterThan(0.1);
    }
  });

  it('does not depend on how the images come in batches', async () => {
    const [whole, parts] = await Promise.all(
      [1, 7].map((count) => fitStitches({ stitches: [shared], dims, batches: activations(ROWS, values, count) })),
    );
    expect(whole!.rows).toBe(ROWS);
    expect(parts!.rows).toBe(ROWS);
    expect(distance(parts!.stitches[0]!.weight, whole!.stitches[0]!.weight)).toBeLessThan(1e-6);
  });

  it('takes the orthogonal way, in a second pass, for channels that depend on each other', async () => {
    // Dependent but for the rounding of f32, which is no information.
    const mixed = (i: number) => front[0][i - 1]! / 3 + front[0][i - 2]! / 7;
    const dependent = Float32Array.from(front[0], (value, i) => (i % 6 === 5 ? mixed(i) : value));
    const given = { ...values, 'f 0': dependent };
    let passes = 0;
    const batches = () => {
      passes += 1;
      return activations(ROWS, given, 3)();
    };
    const { stitches, pairs } = await fitStitches({ stitches: [shared], dims, batches });
    expect(passes).toBe(2);
    expect(pairs.map(({ method, rank }) => [method, rank])).toEqual([
      ['svd', 6],
      ['normal', 7],
    ]);
    const direct = leastSquares(dependent, values['b -1'], { rows: ROWS, inputs: 6, outputs: 8 });
    const mean = direct.weight.map((value, i) => (value + maps[1]!.weight[i]!) / 2);
    expect(distance(stitches[0]!.weight, mean)).toBeLessThan(1e-6);
  });

  it('refuses nothing to fit on, wrong widths, unknown anchors and NaN', async () => {
    const fit = (given: typeof values, stitch = shared) =>
      fitStitches({ stitches: [stitch], dims, batches: activations(ROWS, given) });
    await expectError(
      () => fitStitches({ stitches: [shared], dims, batches: activations(0, values) }),
      'argument-invalid',
      'no image',
    );
    await expectError(() => fit({ ...values, 'f 1': f32(ROWS * 7, 1) }), 'argument-invalid', 'f block 1');
    await expectError(() => fit(values, { ...shared, from: 'g' }), 'argument-invalid', '"g"');
    await expectError(() => fit(values, { ...shared, pairs: [] }), 'argument-invalid', 'no block pair');
    await expectError(() => fit({ ...values, 'b 0': values['b 0'].with(5, Number.NaN) }), 'argument-invalid', 'not finite');
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    stop.abort();
    const work = () => fitStitches({ stitches: [shared], dims, batches: activations(ROWS, values), signal: stop.signal });
    await expectError(work, 'aborted');
  });
});

describe('against the official code', () => {
  const bytes = new Uint8Array(readFileSync(new URL('../../fixtures/ls/ls.safetensors', import.meta.url)));
  const tensors = parseSafetensors(bytes, 'ls.safetensors');
  const read = (name: string) => tensorToF32(tensors.get(name)!);

  it('a stitch that four pairs share is the official one', async () => {
    const pairs = [0, 1].flatMap((i) => [0, 1].map((j) => ({ front: i, back: j })));
    const given = {
      't0 0': read('anchor0.block0'),
      't0 1': read('anchor0.block1'),
      't1 -1': read('anchor1.block-1'),
      't1 0': read('anchor1.block0'),
    };
    const { stitches, rows } = await fitStitches({
      stitches: [{ id: 't0-t1.0', from: 't0', to: 't1', pairs }],
      dims: new Map([
        ['t0', 16],
        ['t1', 32],
      ]),
      batches: activations(640, given, 4),
    });
    expect(rows).toBe(64 * 10);
    // The official solver works in f32.
    expect(distance(stitches[0]!.weight, read('weight'))).toBeLessThan(1e-4);
    expect(distance(stitches[0]!.bias, read('bias'))).toBeLessThan(1e-4);
  });
});
