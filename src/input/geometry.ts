/**
 * Where a frame's pixels go: size checks, the centre crop, and the filter tables of the antialiased resize. The CPU resampler
 * (resample.ts) and the GPU's input kernel work from the very same tables.
 *
 * The filter is Pillow's (ImagingResample): triangle or Catmull-Rom (a = -0.5), widened by the scale when shrinking, its
 * weights normalised to sum 1 after the taps outside the image are cut off. As in "resize, then centre crop", a tap may lie
 * outside the crop but never outside the image.
 */
import type { InputSpec } from '../bundle/manifest';
import { StitchError } from '../core/errors';
import type { PixelFrame } from '../core/types';

/** Longest side of a frame, in pixels. */
export const MAX_SIDE = 16384;

/** Whatever holds one picture; a browser object must be open. */
export type Frame = ImageBitmap | VideoFrame | PixelFrame;

/** A rectangle in pixels; may be fractional. */
interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A resize along one axis. Output i is the sum over t < taps of weights[i · taps + t] · input[starts[i] + t]. */
export interface AxisTaps {
  /** Taps of an output, the same for all: the row length of `weights`. */
  readonly taps: number;
  /** First input of each output, [outputs]; starts[i] + taps never exceeds the input's length. */
  readonly starts: Uint32Array<ArrayBuffer>;
  /** [outputs, taps]; each row sums to 1. */
  readonly weights: Float32Array<ArrayBuffer>;
}

/** The central square of side min(width, height) · crop. */
export function cropRect(width: number, height: number, crop: number): Rect {
  const side = Math.min(width, height) * crop;
  return { x: (width - side) / 2, y: (height - side) / 2, width: side, height: side };
}

const FILTERS = {
  /** Triangle. */
  bilinear: { support: 1, at: (x: number) => Math.max(0, 1 - Math.abs(x)) },
  /** Keys' cubic with a = -0.5, that is Catmull-Rom. */
  bicubic: {
    support: 2,
    at: (signed: number) => {
      const x = Math.abs(signed);
      if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
      return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
    },
  },
} as const;

/**
 * Tables from a frame of `width` × `height` pixels to the network's input, for columns (x) and rows (y).
 * Sizes must have passed `checkFrameSize`.
 */
export function filterTaps(
  width: number,
  height: number,
  { size, crop, filter }: Pick<InputSpec, 'size' | 'crop' | 'filter'>,
): { readonly x: AxisTaps; readonly y: AxisTaps } {
  const rect = cropRect(width, height, crop);
  return {
    x: axisTaps(width, rect.x, rect.width, size, filter),
    y: axisTaps(height, rect.y, rect.height, size, filter),
  };
}

/** Taps from `length` inputs to `outputs` outputs that cover `span` inputs from `offset` on (both may be fractional). */
function axisTaps(length: number, offset: number, span: number, outputs: number, filter: InputSpec['filter']): AxisTaps {
  const { support, at } = FILTERS[filter];
  const scale = span / outputs;
  const widening = Math.max(scale, 1);
  const reach = support * widening;
  const rows = Array.from({ length: outputs }, (_, i) => {
    const centre = offset + (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - reach + 0.5));
    const end = Math.min(length, Math.floor(centre + reach + 0.5));
    const weights = Array.from({ length: end - first }, (_tap, t) => at((first + t - centre + 0.5) / widening));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
  const taps = Math.max(...rows.map((row) => row.weights.length));
  const starts = new Uint32Array(outputs);
  const weights = new Float32Array(outputs * taps);
  for (const [i, row] of rows.entries()) {
    // A row cut short by the right edge starts earlier, with weights of 0, so that no tap is outside the image.
    const first = Math.min(row.first, length - taps);
    starts[i] = first;
    weights.set(row.weights, i * taps + row.first - first);
  }
  return { taps, starts, weights };
}

/** Whether a frame is plain pixels rather than a browser object. */
export function isPixelFrame(frame: Frame): frame is PixelFrame {
  return 'data' in frame;
}

/** Pixels across and down; a video frame counts as it is shown, not as it is coded. 0 × 0 where it is closed. */
export function frameSize(frame: Frame): { readonly width: number; readonly height: number } {
  if ('displayWidth' in frame) return { width: frame.displayWidth, height: frame.displayHeight };
  return { width: frame.width, height: frame.height };
}

/**
 * Checks a frame's size against `limit` pixels a side.
 * @throws StitchError `frame-invalid` with the numbers and the remedy.
 */
export function checkFrameSize(width: number, height: number, limit = MAX_SIDE): void {
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw new StitchError(
      'frame-invalid',
      `The frame is ${width}×${height} pixels. Send at least 1×1: a video has no size before its metadata are loaded, and a frame has none once it is closed or transferred.`,
      { width, height },
    );
  }
  if (width > limit || height > limit) {
    throw new StitchError(
      'frame-invalid',
      `The frame is ${width}×${height} pixels; the limit is ${limit} a side. Shrink it first, for example with createImageBitmap(source, { resizeWidth: 2048 }).`,
      { width, height, limit },
    );
  }
}

/**
 * Checks the size of a pixel frame and that its data are width · height · 4 bytes.
 * @throws StitchError `frame-invalid` with the numbers and the remedy.
 */
export function checkPixels({ width, height, data }: PixelFrame): void {
  checkFrameSize(width, height);
  const expected = width * height * 4;
  if (data.length === expected) return;
  throw new StitchError(
    'frame-invalid',
    `The frame says ${width}×${height} pixels, which takes ${expected} bytes of RGBA, but its data have ${data.length}. Send RGBA, 8 bits a channel, without padding between rows.`,
    { width, height, expected, found: data.length },
  );
}
