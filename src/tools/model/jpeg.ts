/**
 * JPEG files to pixels in Node: mozjpeg as WASM (Squoosh's build), whose pixels are those of libjpeg-turbo, and so of Pillow and of
 * browsers, to the last bit. Decoders in plain JavaScript repeat coarse chroma instead of interpolating it, which moves accuracies.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import decode, { init } from '@jsquash/jpeg/decode.js';
import { StitchError } from '../../core/errors';
import type { PixelFrame } from '../../core/types';

let ready: Promise<void> | undefined;

async function start(): Promise<void> {
  // The decoder returns its result through this browser class, which Node does not have.
  const globals = globalThis as { ImageData?: unknown };
  globals.ImageData ??= class {
    constructor(
      readonly data: Uint8ClampedArray,
      readonly width: number,
      readonly height: number,
    ) {}
  };
  const path = createRequire(import.meta.url).resolve('@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm');
  const wasmBinary = new Uint8Array(await readFile(path)).buffer;
  await init({ wasmBinary, print: () => undefined, printErr: () => undefined });
}

/** RGBA [height, width, 4]; grey images as RGB. Errors: frame-invalid, naming the image, where it is no JPEG or damaged. */
export async function decodeJpeg(bytes: Uint8Array, name: string): Promise<PixelFrame> {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) {
    throw new StitchError('frame-invalid', `${name} is not a JPEG. Convert it; other formats are not read.`, { name });
  }
  await (ready ??= start());
  try {
    const { data, width, height } = await decode(new Uint8Array(bytes).buffer);
    return { data, width, height };
  } catch (cause) {
    throw new StitchError('frame-invalid', `${name} cannot be decoded. Replace or remove the file.`, { name }, cause);
  }
}
