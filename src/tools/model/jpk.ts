/**
 * The `.jpk` container: many small JPEG files that share their headers. Little-endian: "JPK1", u32 images N, u32 headers P, P times
 * (u32 length, bytes), N times (u16 label, u16 header, u32 tail length, u32 source number), then the N tails.
 */
import { StitchError } from '../../core/errors';

export interface PackedImage {
  readonly label: number;
  /** The whole JPEG file, put together anew at each call. */
  jpeg(): Uint8Array<ArrayBuffer>;
}

const MAGIC = 0x314b504a; // "JPK1"

/** Reads a container; `file` names it in messages. Errors: bundle-invalid for any length or index that leaves the file. */
export function readJpk(bytes: Uint8Array, file: string): readonly PackedImage[] {
  const fail = (problem: string): never => {
    throw new StitchError('bundle-invalid', `${file}: ${problem}. It is no .jpk container, or it is cut short.`, { file });
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || view.getUint32(0, true) !== MAGIC) fail('it does not start with JPK1');
  const count = view.getUint32(4, true);
  const headers: Uint8Array[] = [];
  let at = 12;
  for (let left = view.getUint32(8, true); left > 0; left -= 1) {
    if (at + 4 > bytes.length) fail('its headers end early');
    const length = view.getUint32(at, true);
    if (at + 4 + length > bytes.length) fail('a header ends early');
    headers.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  let tail = at + 12 * count;
  if (tail > bytes.length) fail(`it has no room for ${count} images`);
  const images: PackedImage[] = [];
  for (let index = 0; index < count; index += 1, at += 12) {
    const header = headers[view.getUint16(at + 2, true)] ?? fail(`image ${index} names a header that is not there`);
    const length = view.getUint32(at + 4, true);
    const [from, to] = [tail, tail + length];
    if (to > bytes.length) fail(`image ${index} ends early`);
    tail = to;
    images.push({
      label: view.getUint16(at, true),
      jpeg: () => {
        const whole = new Uint8Array(header.length + length);
        whole.set(header);
        whole.set(bytes.subarray(from, to), header.length);
        return whole;
      },
    });
  }
  if (tail !== bytes.length) fail(`${bytes.length - tail} bytes are left over`);
  return images;
}
