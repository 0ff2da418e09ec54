/**
 * Anything with pixels → a frame that can be transferred. The caller's own object stays open and usable: what is
 * transferred is always a copy or a clone of ours.
 */
import { StitchError } from '../core/errors';
import type { EngineFrame } from '../engine/api';
import type { FrameSource } from './api';

const invalid = (what: string, remedy: string, cause?: unknown): StitchError =>
  new StitchError('frame-invalid', `${what} ${remedy}`, {}, cause);

/** Errors: frame-invalid, saying which kind of source was not ready or not readable. */
export async function toEngineFrame(source: FrameSource): Promise<EngineFrame> {
  try {
    return await convert(source);
  } catch (error) {
    if (error instanceof StitchError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    const kind = source instanceof Blob ? 'file' : kindOf(source);
    throw invalid(
      `The ${kind} has no readable pixels: ${reason}.`,
      kind === 'file'
        ? 'Use a JPEG, PNG, WebP or AVIF image.'
        : 'Pass a decoded source of at least 1×1 pixel, of this origin or fetched with crossorigin="anonymous".',
      error,
    );
  }
}

async function convert(source: FrameSource): Promise<EngineFrame> {
  if (typeof source !== 'object' || source === null) {
    throw invalid(
      `${typeof source === 'string' ? 'A string' : String(source)} is no picture.`,
      'Pass an <img>, <video>, canvas, ImageBitmap, ImageData or File; of an address: await (await fetch(url)).blob().',
    );
  }
  if (source instanceof Blob) return createImageBitmap(source);
  if (isKind(source, 'VideoFrame')) return source.clone();
  if (isKind(source, 'HTMLVideoElement')) return ofVideo(source);
  if (isKind(source, 'HTMLImageElement')) {
    if (!source.complete || source.naturalWidth === 0) {
      throw invalid('The image element has not loaded.', 'Await image.decode() before classifying it.');
    }
    return untainted(await createImageBitmap(source));
  }
  if (isKind(source, 'ImageData') || !isImageSource(source)) {
    const { data, width, height } = source;
    return { data: new Uint8ClampedArray(data), width, height };
  }
  return untainted(await createImageBitmap(source));
}

/** A bitmap with pixels of another origin can be made, but not handed over; said here, where it is known whose it is. */
function untainted(bitmap: ImageBitmap): ImageBitmap {
  try {
    return structuredClone(bitmap, { transfer: [bitmap] });
  } catch (error) {
    bitmap.close();
    throw error;
  }
}

async function ofVideo(video: HTMLVideoElement): Promise<EngineFrame> {
  if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA || video.videoWidth === 0) {
    throw invalid('The video has no current picture.', 'Wait for its "loadeddata" event.');
  }
  // No copy through the CPU where the browser has WebCodecs.
  return typeof VideoFrame === 'function' ? new VideoFrame(video) : untainted(await createImageBitmap(video));
}

interface Kinds {
  VideoFrame: VideoFrame;
  HTMLVideoElement: HTMLVideoElement;
  HTMLImageElement: HTMLImageElement;
  ImageData: ImageData;
}

/** `instanceof` for a global that this browser may lack. */
function isKind<K extends keyof Kinds>(value: unknown, name: K): value is Kinds[K] {
  const constructor: unknown = Reflect.get(globalThis, name);
  return typeof constructor === 'function' && value instanceof constructor;
}

const kindOf = (value: unknown): string => (value as object)?.constructor?.name ?? 'source';

function isImageSource(source: FrameSource): source is HTMLCanvasElement | OffscreenCanvas | ImageBitmap {
  return !('data' in source);
}
