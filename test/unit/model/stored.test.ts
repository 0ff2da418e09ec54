/** What a shard may hold: f16, and int8 with scales for matrices; and what is refused. */
import { beforeAll, describe, expect, it } from 'vitest';
import { parseSafetensors, writeSafetensors, type TensorInput, type TensorView } from '../../../src/bundle/safetensors';
import { StitchError } from '../../../src/core/errors';
import { dequantizeRows } from '../../../src/model/int8';
import { requiredTensors } from '../../../src/model/stored';
import { expectError } from '../bundle/expect-error';
import { makeBundle, seeded, type MemoryBundle } from '../bundle/make-bundle';

const UNIT = 'anchors.w8.embed';
const MATRIX = `${UNIT}.proj.weight`; // [8, 3, 4, 4]
const SCALE = `${MATRIX}.scale`;
let bundle: MemoryBundle;
beforeAll(async () => {
  bundle = await makeBundle();
});

const view = (dtype: TensorView['dtype'], shape: readonly number[], data: ArrayBufferView): TensorView => ({
  dtype,
  shape,
  data: new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength),
});

/** The embed shard of w8 with its matrix in int8. */
function shard(): Map<string, TensorView> {
  const file = bundle.manifest.shards[0]!.file;
  const tensors = new Map(parseSafetensors(bundle.files.get(file)!, file));
  tensors.set(
    MATRIX,
    view(
      'I8',
      [8, 3, 4, 4],
      Int8Array.from({ length: 8 * 48 }, (_, i) => (i % 255) - 127),
    ),
  );
  tensors.set(
    SCALE,
    view(
      'F32',
      [8],
      Float32Array.from({ length: 8 }, (_, i) => i / 8),
    ),
  );
  return tensors;
}

describe('int8 matrices', () => {
  it('come with their values and scales, the rest of the unit as f16', () => {
    const stored = requiredTensors(bundle.manifest, UNIT, shard());
    expect(stored.map(({ name }) => name)).not.toContain(SCALE);
    expect(stored.map(({ matrix }) => matrix)).toEqual([true, false, false, false]);
    const [matrix, bias] = stored;
    expect([...matrix!.int8!.scale]).toEqual([0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875]);
    expect(dequantizeRows(matrix!.int8!)[3 * 48 + 5]).toBe((((3 * 48 + 5) % 255) - 127) * 0.375);
    expect(bias).toMatchObject({ shape: [8], view: { dtype: 'F16' } });
    expect(bias).not.toHaveProperty('int8');
  });

  it('are found in a file, whose alignment they do not mind', () => {
    const inputs = new Map<string, TensorInput>(
      [...shard()].map(([name, { dtype, shape, data }]) => [name, { dtype, shape, data }]),
    );
    // One byte before everything.
    const odd = new Map<string, TensorInput>([['pad', { dtype: 'U8', shape: [1], data: Uint8Array.of(0) }], ...inputs]);
    const [matrix] = requiredTensors(bundle.manifest, UNIT, parseSafetensors(writeSafetensors(odd), 'x'));
    expect(matrix!.int8!.scale[7]).toBe(0.875);
    expect(matrix!.int8!.values[0]).toBe(-127);
  });

  const scales = (at: number, value: number) =>
    view(
      'F32',
      [8],
      Float32Array.from({ length: 8 }, (_, i) => (i === at ? value : 1)),
    );
  it.each<[what: string, change: (tensors: Map<string, TensorView>) => unknown, ...messages: string[]]>([
    ['no scale', (t) => t.delete(SCALE), SCALE, 'expected F32 [8]', 'found nothing'],
    ['too few scales', (t) => t.set(SCALE, view('F32', [7], new Float32Array(7))), SCALE, 'expected F32 [8]', 'found F32 [7]'],
    ['scales as a column', (t) => t.set(SCALE, view('F32', [8, 1], new Float32Array(8))), 'found F32 [8, 1]'],
    ['scales in f16', (t) => t.set(SCALE, view('F16', [8], new Uint16Array(8))), SCALE, 'found F16 [8]'],
    ['a negative scale', (t) => t.set(SCALE, scales(3, -0.5)), SCALE, 'is -0.5 at index 3', 'not negative'],
    ['a scale of NaN', (t) => t.set(SCALE, scales(7, Number.NaN)), SCALE, 'NaN at index 7'],
    ['an infinite scale', (t) => t.set(SCALE, scales(0, Infinity)), SCALE, 'Infinity at index 0'],
    ['the value −128', (t) => (t.get(MATRIX)!.data[50] = 0x80), MATRIX, '−128 at index 50'],
    ['another shape', (t) => t.set(MATRIX, view('I8', [8, 48], new Int8Array(384))), MATRIX, 'found I8 [8, 48]'],
    ['a bias in int8', (t) => t.set(`${UNIT}.proj.bias`, view('I8', [8], new Int8Array(8))), 'proj.bias', 'found I8 [8]'],
    ['positions in int8', (t) => t.set(`${UNIT}.pos`, view('I8', [5, 8], new Int8Array(40))), '.pos', 'expected F16 [5, 8]'],
    ['unsigned values', (t) => t.set(MATRIX, view('U8', [8, 3, 4, 4], new Uint8Array(384))), 'F16 or I8', 'found U8'],
    [
      'a scale beside f16',
      (t) => t.set(MATRIX, view('F16', [8, 3, 4, 4], new Uint16Array(384))),
      MATRIX,
      'has a scale but is F16',
    ],
  ])('%s is bundle-invalid, by name', async (_what, change, ...messages) => {
    const tensors = shard();
    change(tensors);
    const error = await expectError(() => requiredTensors(bundle.manifest, UNIT, tensors), 'bundle-invalid', ...messages);
    expect(error.message).toMatch(/\. .+\.$/);
    expect(error.detail['unit']).toBe(UNIT);
  });

  it('nothing but StitchError comes out of 2,000 mutated shards', () => {
    const random = seeded(11);
    const dtypes = ['F32', 'F16', 'I8', 'U8', 'BF16', 'I64'] as const;
    let refused = 0;
    for (let round = 0; round < 2000; round += 1) {
      const tensors = shard();
      const names = [...tensors.keys()];
      const name = names[Math.floor(random() * names.length)]!;
      const old = tensors.get(name)!;
      const action = random();
      if (action < 0.2) tensors.delete(name);
      else if (action < 0.4) tensors.set(name, { ...old, dtype: dtypes[Math.floor(random() * dtypes.length)]! });
      else if (action < 0.6) tensors.set(name, { ...old, shape: old.shape.map((size) => Math.floor(size * random() * 3)) });
      else {
        const data = old.data.slice();
        for (let i = 0; i < 4; i += 1) data[Math.floor(random() * data.length)] = Math.floor(random() * 256);
        tensors.set(name, { ...old, data });
      }
      try {
        for (const { int8 } of requiredTensors(bundle.manifest, UNIT, tensors)) {
          if (int8?.scale.some((value) => !(value >= 0))) throw new RangeError('a bad scale passed');
        }
      } catch (error) {
        if (!(error instanceof StitchError) || error.code !== 'bundle-invalid') throw error;
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(800);
  });
});
