/** Small JPEG files made on the spot. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import encode, { init } from '@jsquash/jpeg/encode.js';

let ready: Promise<void> | undefined;

/** A 12 × 12 picture of one of many colours with a gradient, as a JPEG file. */
export async function picture(seed: number): Promise<Uint8Array<ArrayBuffer>> {
  const path = createRequire(import.meta.url).resolve('@jsquash/jpeg/codec/enc/mozjpeg_enc.wasm');
  await (ready ??= init({ wasmBinary: new Uint8Array(readFileSync(path)).buffer }));
  const data = new Uint8ClampedArray(12 * 12 * 4).fill(255);
  for (let i = 0; i < 12 * 12; i += 1) {
    data.set([(seed * 67 + i) % 256, (seed * 131 + 2 * (i % 12)) % 256, (seed * 29) % 256], i * 4);
  }
  return new Uint8Array(await encode({ data, width: 12, height: 12, colorSpace: 'srgb' }, { quality: 95 }));
}

/** A `.jpk` of these files and classes, all with the same two bytes as their header. */
export function packed(images: readonly { readonly label: number; readonly jpeg: Uint8Array }[]): Uint8Array<ArrayBuffer> {
  const header = Uint8Array.of(0xff, 0xd8);
  const bytes = 12 + 4 + header.length + images.reduce((sum, { jpeg }) => sum + 12 + jpeg.length - header.length, 0);
  const file = new Uint8Array(bytes);
  const view = new DataView(file.buffer);
  file.set([0x4a, 0x50, 0x4b, 0x31]);
  view.setUint32(4, images.length, true);
  view.setUint32(8, 1, true);
  view.setUint32(12, header.length, true);
  file.set(header, 16);
  let [entry, tail] = [18, 18 + 12 * images.length];
  for (const { label, jpeg } of images) {
    view.setUint16(entry, label, true);
    view.setUint32(entry + 4, jpeg.length - header.length, true);
    file.set(jpeg.subarray(header.length), tail);
    entry += 12;
    tail += jpeg.length - header.length;
  }
  return file;
}
