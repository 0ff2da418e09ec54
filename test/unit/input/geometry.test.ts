import { describe, expect, test } from 'vitest';
import { StitchError } from '../../../src/core/errors';
import { checkFrameSize, checkPixels, cropRect, filterTaps, frameSize, MAX_SIDE } from '../../../src/input/geometry';
import { createFrameReader } from '../../../src/input/pixels-of-frame';
import { expectClose } from '../../support/close';

/** The error that `action` throws. */
function thrown(action: () => unknown): StitchError {
  try {
    action();
  } catch (error) {
    if (error instanceof StitchError) return error;
    throw error;
  }
  return expect.fail('nothing was thrown');
}

describe('cropRect', () => {
  test('is the central square', () => {
    expect(cropRect(640, 480, 1)).toEqual({ x: 80, y: 0, width: 480, height: 480 });
    expect(cropRect(100, 200, 0.875)).toEqual({ x: 6.25, y: 56.25, width: 87.5, height: 87.5 });
  });
});

describe('filterTaps', () => {
  const sides = [1, 2, 3, 7, 31, 64, 65, 333, 1920];
  for (const filter of ['bilinear', 'bicubic'] as const) {
    test(`${filter}: rows sum to 1, taps stay inside the frame, starts never go back`, () => {
      for (const width of sides) {
        for (const height of sides) {
          const { x, y } = filterTaps(width, height, { size: 16, crop: 0.875, filter });
          for (const [side, { taps, starts, weights }] of [
            [width, x],
            [height, y],
          ] as const) {
            expect(weights.length).toBe(16 * taps);
            for (let i = 0; i < 16; i += 1) {
              expect(starts[i]! + taps).toBeLessThanOrEqual(side);
              if (i > 0) expect(starts[i]).toBeGreaterThanOrEqual(starts[i - 1]!);
              const sum = weights.subarray(i * taps, (i + 1) * taps).reduce((a, b) => a + b, 0);
              expectClose([sum], [1], 1e-5, `${width}×${height} output ${i}`);
            }
          }
        }
      }
    });
  }

  test('is symmetric: the last output is the first one mirrored', () => {
    const { x } = filterTaps(37, 37, { size: 8, crop: 0.9, filter: 'bicubic' });
    const dense = (i: number) => {
      const row = new Float32Array(37);
      row.set(x.weights.subarray(i * x.taps, (i + 1) * x.taps), x.starts[i]!);
      return row;
    };
    expectClose(dense(7).reverse(), dense(0), 1e-6, 'mirrored');
  });
});

describe('checks', () => {
  test.each([
    [0, 10],
    [10, 0],
    [Number.NaN, 10],
    [10, Number.POSITIVE_INFINITY],
    [10.5, 10],
    [-1, 10],
  ])('%s × %s pixels are no frame', (width, height) => {
    const error = thrown(() => checkFrameSize(width, height));
    expect(error.code).toBe('frame-invalid');
    expect(error.message).toContain(`${width}×${height}`);
  });

  test('a side above the limit names the limit and the remedy', () => {
    checkFrameSize(MAX_SIDE, 1);
    const error = thrown(() => checkFrameSize(MAX_SIDE + 1, 1));
    expect(error.code).toBe('frame-invalid');
    expect(error.message).toMatch(/16385×1 .* limit is 16384 .*resizeWidth/);
    expect(thrown(() => checkFrameSize(9000, 1, 8192)).message).toContain('8192');
  });

  test('wrong data length says both lengths', () => {
    const error = thrown(() => checkPixels({ width: 4, height: 4, data: new Uint8Array(48) }));
    expect(error.code).toBe('frame-invalid');
    expect(error.detail).toEqual({ width: 4, height: 4, expected: 64, found: 48 });
    expect(error.message).toMatch(/64 .* 48/);
    expect(thrown(() => createFrameReader()({ width: 4, height: 4, data: new Uint8Array(65) })).code).toBe('frame-invalid');
  });

  test('frameSize reads pixel frames', () => {
    expect(frameSize({ width: 4, height: 3, data: new Uint8Array(48) })).toEqual({ width: 4, height: 3 });
  });

  test('a frame reader passes pixel frames through', () => {
    const frame = { width: 2, height: 1, data: new Uint8Array(8) };
    expect(createFrameReader()(frame)).toBe(frame);
  });
});
