/** Frames to RGBA pixels on the CPU, for the reference executor. Works in a worker. */
import { StitchError } from '../core/errors';
import type { PixelFrame } from '../core/types';
import { type Frame, checkFrameSize, checkPixels, frameSize, isPixelFrame } from './geometry';

/** Above this many pixels a side the browser shrinks by a whole factor before the pixels are read: time, not accuracy. */
const MAX_READ_SIDE = 4096;

/**
 * Makes a function from a frame to its pixels, straight RGBA [height, width, 4]. It keeps one canvas, so its results are valid
 * until its next call. The frame is neither closed nor changed; pixel frames pass through.
 * Errors of the function: frame-invalid (no pixels, closed, too large, wrong data length), unsupported (no OffscreenCanvas 2d).
 */
export function createFrameReader(): (frame: Frame) => PixelFrame {
  let context: OffscreenCanvasRenderingContext2D | undefined;
  return (frame) => {
    if (isPixelFrame(frame)) {
      checkPixels(frame);
      return frame;
    }
    const natural = frameSize(frame);
    checkFrameSize(natural.width, natural.height);
    const factor = Math.ceil(Math.max(natural.width, natural.height) / MAX_READ_SIDE);
    const width = Math.max(1, Math.round(natural.width / factor));
    const height = Math.max(1, Math.round(natural.height / factor));
    context ??= createContext();
    const { canvas } = context;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    context.globalCompositeOperation = 'copy';
    context.imageSmoothingQuality = 'high';
    try {
      context.drawImage(frame, 0, 0, width, height);
      return { data: context.getImageData(0, 0, width, height).data, width, height };
    } catch (cause) {
      throw new StitchError(
        'frame-invalid',
        `The frame of ${natural.width} × ${natural.height} pixels could not be read. Send a frame that is open and of this origin.`,
        natural,
        cause,
      );
    }
  };
}

function createContext(): OffscreenCanvasRenderingContext2D {
  const context =
    typeof OffscreenCanvas === 'undefined'
      ? undefined
      : new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true, colorSpace: 'srgb' });
  if (context) return context;
  throw new StitchError(
    'unsupported',
    'This browser has no OffscreenCanvas to read frames with. Send pixel frames ({ data, width, height }), or update the browser.',
  );
}
