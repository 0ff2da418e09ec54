import { describe, expect, test } from 'vitest';
import type { InputSpec } from '../../../src/bundle/manifest';
import { createResampler } from '../../../src/input/resample';
import { expectClose } from '../../support/close';
import pillow from './pillow.json';

// Mean 0 and deviation 1/255 leave the values in 0…255.
const RAW = { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] } as const;

const bytes = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(text, 'base64'));

/** RGB [n, 3] to RGBA [n, 4] with an alpha that must not matter. */
function rgba(rgb: Uint8Array, alpha = 7): Uint8ClampedArray<ArrayBuffer> {
  const out = new Uint8ClampedArray((rgb.length / 3) * 4).fill(alpha);
  for (let i = 0; i < rgb.length / 3; i += 1) out.set(rgb.subarray(i * 3, i * 3 + 3), i * 4);
  return out;
}

/** [S, S, 3] -> [3, S, S] */
function planes(pixels: ArrayLike<number>): Float32Array {
  const area = pixels.length / 3;
  return Float32Array.from({ length: pixels.length }, (_, i) => pixels[(i % area) * 3 + Math.floor(i / area)]!);
}

describe('resampling against Pillow', () => {
  const cases = pillow.cases.flatMap(({ filters, ...rest }) =>
    (['bilinear', 'bicubic'] as const).map((filter) => ({ ...rest, filter, ...filters[filter] })),
  );
  for (const { width, height, size, crop, filter, noise, rounded, exact } of cases) {
    const name = `${width}×${height} to ${size}, crop ${crop}, ${filter}`;
    const resample = createResampler({ size, crop, filter, ...RAW });

    test(`${name}: f32`, () => {
      const soft = bytes(noise).map((value) => (value >> 1) + 64);
      const actual = resample({ width, height, data: rgba(soft) });
      expectClose(actual, new Float32Array(bytes(exact).buffer), 1e-4, name);
    });

    test(`${name}: 8 bits`, () => {
      const actual = resample({ width, height, data: rgba(bytes(noise)) });
      // Pillow rounds after each pass: half a step at the end, and half a step times the sum of the second pass's absolute
      // weights: 1 for the triangle, at most 1.26 for the cubic.
      expectClose(actual, planes(bytes(rounded)), filter === 'bilinear' ? 1 : 1.13, name);
    });
  }
});

describe('normalisation', () => {
  const spec: InputSpec = { size: 2, crop: 1, filter: 'bilinear', mean: [0.5, 0.25, 0], std: [0.5, 0.25, 2] };

  test('is (v / 255 - mean) / std by channel, channels first', () => {
    const rgb = new Uint8Array([0, 51, 102, 255, 0, 51, 102, 255, 0, 51, 102, 255]);
    const actual = createResampler(spec)({ width: 2, height: 2, data: rgba(rgb) });
    expectClose(actual, [-1, 1, -0.2, -0.6, -0.2, -1, 3, 0.6, 0.2, 0.1, 0, 0.5], 1e-6, 'normalised');
  });

  test('alpha does not matter', () => {
    const rgb = new Uint8Array(12).map((_, i) => i * 20);
    const resample = createResampler(spec);
    expect(resample({ width: 2, height: 2, data: rgba(rgb, 0) })).toEqual(
      resample({ width: 2, height: 2, data: rgba(rgb, 255) }),
    );
  });

  test('one resampler serves frames of changing sizes', () => {
    const resample = createResampler({ ...spec, ...RAW });
    for (const [width, height] of [
      [3, 5],
      [40, 30],
      [1, 1],
      [3, 5],
    ] as const) {
      const actual = resample({ width, height, data: new Uint8ClampedArray(width * height * 4).fill(90) });
      expectClose(actual, new Float32Array(12).fill(90), 1e-4, `${width}×${height}`);
    }
  });
});
