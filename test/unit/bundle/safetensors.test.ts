import { describe, expect, it } from 'vitest';
import {
  f16ToF32,
  f32ToF16,
  parseSafetensors,
  tensorToF32,
  words16,
  writeSafetensors,
  type TensorInput,
} from '../../../src/bundle/safetensors';
import { StitchError } from '../../../src/core/errors';
import { expectError } from './expect-error';
import { seeded } from './make-bundle';

const FILE = 'a.safetensors';

/** A file with this header text, padded or not, and this many zero bytes of data. */
function raw(header: string, dataBytes: number, pad = true): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(header);
  const length = pad ? Math.ceil(json.length / 8) * 8 : json.length;
  const bytes = new Uint8Array(8 + length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.fill(0x20, 8, 8 + length);
  bytes.set(json, 8);
  return bytes;
}
const entry = (begin: number, end: number, shape: number[], dtype = 'F16') => ({ dtype, shape, data_offsets: [begin, end] });
const file = (header: Record<string, unknown>, dataBytes: number) => raw(JSON.stringify(header), dataBytes);

const sample = () =>
  new Map<string, TensorInput>([
    ['m', { dtype: 'F16', shape: [2, 3], data: f32ToF16(Float32Array.of(1, -2, 0.5, 4, 65504, -0)) }],
    ['f', { dtype: 'F32', shape: [2], data: Float32Array.of(0.1, 3e38) }],
    ['none', { dtype: 'F32', shape: [0, 4], data: new Float32Array() }],
    ['scalar', { dtype: 'I64', shape: [], data: BigInt64Array.of(-5n) }],
    ['__proto__', { dtype: 'U8', shape: [3], data: Uint8Array.of(7, 8, 9) }],
    ['b', { dtype: 'BF16', shape: [2], data: Uint16Array.of(0x3f80, 0xc000) }],
  ]);

describe('writeSafetensors and parseSafetensors', () => {
  it('round-trip', () => {
    const bytes = writeSafetensors(sample(), { source: 'a "quoted" note' });
    const tensors = parseSafetensors(bytes.buffer, FILE);
    expect([...tensors.keys()]).toEqual([...sample().keys()]);
    for (const [name, { dtype, shape, data }] of sample()) {
      const found = tensors.get(name)!;
      expect({ dtype: found.dtype, shape: found.shape }).toEqual({ dtype, shape });
      expect([...found.data]).toEqual([...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]);
    }
    expect([...tensorToF32(tensors.get('m')!)]).toEqual([1, -2, 0.5, 4, 65504, -0]);
    expect([...tensorToF32(tensors.get('f')!)]).toEqual([...Float32Array.of(0.1, 3e38)]);
    // Behind three bytes of U8: not aligned.
    expect([...tensorToF32(tensors.get('b')!)]).toEqual([1, -2]);
  });

  it('writes data from a multiple of 8, header padded with spaces', () => {
    for (let length = 1; length < 10; length++) {
      const bytes = writeSafetensors(new Map([['x'.repeat(length), { dtype: 'U8', shape: [1], data: Uint8Array.of(1) }]]));
      const header = Number(new DataView(bytes.buffer).getBigUint64(0, true));
      expect((8 + header) % 8).toBe(0);
      expect(new TextDecoder().decode(bytes.subarray(8, 8 + header))).toMatch(/^\{.*\} *$/);
      expect(parseSafetensors(bytes, FILE).size).toBe(1);
    }
  });

  it('gives views, and reads a view of a larger buffer', () => {
    const bytes = writeSafetensors(sample());
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    const tensors = parseSafetensors(shifted.subarray(3), FILE);
    expect(tensors.get('m')!.data.buffer).toBe(shifted.buffer);
    expect([...words16(tensors.get('m')!)]).toEqual([...words16(parseSafetensors(bytes, FILE).get('m')!)]);
  });

  it('refuses to write data that do not fit the shape', async () => {
    const wrong = new Map<string, TensorInput>([['w', { dtype: 'F16', shape: [3], data: new Uint16Array(2) }]]);
    await expectError(() => writeSafetensors(wrong), 'argument-invalid', '"w"', 'takes 6 bytes');
  });

  it('converts float tensors only', async () => {
    const tensor = parseSafetensors(writeSafetensors(sample()), FILE).get('scalar')!;
    await expectError(() => tensorToF32(tensor), 'argument-invalid', 'I64');
  });
});

describe('parseSafetensors refuses', () => {
  const withLength = (length: bigint) => {
    const bytes = writeSafetensors(sample());
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    return bytes;
  };
  it.each<[what: string, bytes: Uint8Array<ArrayBuffer>, message: string | RegExp]>([
    ['nothing', new Uint8Array(), 'has 0 bytes'],
    ['a few bytes', new Uint8Array(7), 'has 7 bytes'],
    ['a zero header', new Uint8Array(64), 'header length is 0'],
    ['a header beyond the file', withLength(10_000n), 'header length is 10000'],
    ['a header of exabytes', withLength(2n ** 63n), 'header length is 9223372036854'],
    ['a truncated file', writeSafetensors(sample()).subarray(0, 40), 'header length'],
    ['a file cut inside the data', writeSafetensors(sample()).slice(0, -1), 'but the data are'],
    ['a file with a byte too many', raw('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 2), 'end at byte 1 of 2'],
    ['text that is no JSON', raw('{"a":', 0), 'not JSON'],
    ['bytes that are no text', Uint8Array.of(8, 0, 0, 0, 0, 0, 0, 0, 255, 254, 253, 252, 1, 2, 3, 4), 'not JSON'],
    ['HTML', raw('<!doctype html>', 0), 'not JSON'],
    ['a list', raw('[]', 0), 'not a JSON object'],
    ['deep nesting', raw('['.repeat(200_000), 0), 'not JSON'],
    ['unpadded headers', raw('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}} ', 1, false), 'multiple of 8'],
    ['an entry that is no object', file({ a: 5 }, 0), '"a" is 5'],
    ['an unknown dtype', file({ a: entry(0, 2, [1], 'F17') }, 2), 'dtype "F17"'],
    ['a dtype of the prototype', file({ a: entry(0, 2, [1], 'toString') }, 2), 'dtype "toString"'],
    ['a missing shape', file({ a: { dtype: 'U8', data_offsets: [0, 1] } }, 1), 'bad shape, missing'],
    ['a negative size', file({ a: entry(0, 2, [-1]) }, 2), 'bad shape'],
    ['a fractional size', file({ a: entry(0, 3, [1.5]) }, 3), 'bad shape'],
    ['nine dimensions', file({ a: entry(0, 2, [1, 1, 1, 1, 1, 1, 1, 1, 1]) }, 2), 'bad shape'],
    ['sizes whose product overflows', file({ a: entry(0, 0, [2 ** 52, 2 ** 52, 2 ** 52]) }, 0), 'data_offsets give it 0'],
    ['three offsets', file({ a: { dtype: 'U8', shape: [1], data_offsets: [0, 1, 1] } }, 1), 'bad data_offsets'],
    ['offsets that run backwards', file({ a: entry(2, 0, [1]) }, 2), 'data_offsets [2, 0]'],
    ['a lying size', file({ a: entry(0, 4, [3]) }, 4), '6 bytes, but data_offsets give it 4'],
    ['data beyond the file', file({ a: entry(0, 20, [10]) }, 4), 'but the data are 4 bytes'],
    ['an overlap', file({ a: entry(0, 4, [2]), b: entry(2, 6, [2]) }, 6), '"b" starts at 2 and overlaps'],
    ['two tensors in one place', file({ a: entry(0, 4, [2]), b: entry(0, 4, [2]) }, 4), 'overlaps'],
    ['a gap', file({ a: entry(0, 2, [1]), b: entry(4, 6, [1]) }, 6), '"b" starts at 4 and leaves a gap'],
    ['a gap at the start', file({ a: entry(2, 4, [1]) }, 4), 'leaves a gap'],
    [
      'a tensor named twice',
      raw('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0061":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}', 1),
      'names a tensor twice',
    ],
  ])('%s', async (_, bytes, message) => {
    const error = await expectError(
      () => parseSafetensors(bytes, FILE),
      'bundle-invalid',
      message,
      `Safetensors file ${FILE}: `,
    );
    expect(error.message).toMatch(/\. .+\.$/);
    expect(error.message.length).toBeLessThan(400);
  });

  it('nothing but by StitchError, in 5,000 mutated headers', () => {
    const random = seeded(77);
    const good = writeSafetensors(sample());
    const headerBytes = Number(new DataView(good.buffer).getBigUint64(0, true));
    let refused = 0;
    for (let round = 0; round < 5000; round++) {
      const bytes = good.slice(0, random() < 0.1 ? Math.floor(random() * good.length) : good.length);
      for (let times = 1 + Math.floor(random() * 4); times > 0; times--) {
        const at = Math.floor(random() * (8 + headerBytes));
        const digits = '0123456789{}[]",:-';
        bytes[at] = random() < 0.5 ? Math.floor(random() * 256) : digits.charCodeAt(Math.floor(random() * digits.length));
      }
      try {
        for (const { data } of parseSafetensors(bytes, FILE).values()) {
          if (data.byteOffset + data.length > bytes.length) throw new RangeError('a tensor beyond the file');
        }
      } catch (error) {
        if (!(error instanceof StitchError) || error.code !== 'bundle-invalid') throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(3000);
  }, 60_000);
});

describe('half precision', () => {
  /** Straight from the definition of binary16. */
  const reference = (h: number): number => {
    const sign = h & 0x8000 ? -1 : 1;
    const exponent = (h >> 10) & 31;
    const fraction = h & 1023;
    if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
    return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
  };
  const every = Uint16Array.from({ length: 65536 }, (_, h) => h);

  it('reads all 65,536 values', () => {
    const values = f16ToF32(every);
    for (const h of every) if (!Object.is(values[h], reference(h))) expect([h, values[h]]).toEqual([h, reference(h)]);
  });

  it('writes all 65,536 values back; NaN becomes 0x7e00', () => {
    const back = f32ToF16(f16ToF32(every));
    for (const h of every) {
      const expected = Number.isNaN(reference(h)) ? 0x7e00 : h;
      if (back[h] !== expected) expect([h, back[h]]).toEqual([h, expected]);
    }
  });

  it('rounds to nearest even between every two neighbours, into infinity too', () => {
    // All positive finite values, and the one above the largest that a longer exponent would have.
    const steps = Array.from({ length: 0x7c01 }, (_, h) => (h === 0x7c00 ? 65536 : reference(h)));
    const ulp = 2 ** -20;
    const inputs = steps.slice(1).flatMap((high, low) => {
      const middle = (steps[low]! + high) / 2;
      return [middle * (1 - ulp), middle, middle * (1 + ulp)];
    });
    const rounded = f32ToF16(Float32Array.from(inputs));
    const negative = f32ToF16(Float32Array.from(inputs, (value) => -value));
    for (let low = 0; low < 0x7c00; low++) {
      const even = low % 2 === 0 ? low : low + 1;
      const found = [...rounded.subarray(3 * low, 3 * low + 3)];
      if (found.join() !== [low, even, low + 1].join())
        expect(found, `between ${low} and ${low + 1}`).toEqual([low, even, low + 1]);
      if (negative[3 * low + 1] !== (even | 0x8000)) expect(negative[3 * low + 1]).toBe(even | 0x8000);
    }
  });

  it('takes extremes', () => {
    const inputs = Float32Array.of(1e-45, -1e-45, 3.4e38, -3.4e38, 65519.99, 65520, NaN, Infinity, -0);
    expect([...f32ToF16(inputs)]).toEqual([0, 0x8000, 0x7c00, 0xfc00, 0x7bff, 0x7c00, 0x7e00, 0x7c00, 0x8000]);
  });
});
