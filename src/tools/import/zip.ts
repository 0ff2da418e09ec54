/**
 * The zip container of PyTorch checkpoints: stored and deflated entries, zip64, every offset checked, no entry in another's
 * bytes, nothing inflated beyond its declared size. Source: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5.3.
 */
import { crc32, inflateRawSync } from 'node:zlib';
import { invalid, type RandomFile } from './file';

export interface ZipEntry {
  readonly name: string;
  readonly deflated: boolean;
  readonly packedBytes: number;
  readonly bytes: number;
  /** 0 where the writer computed none. */
  readonly crc: number;
  readonly header: number;
}

export interface ZipArchive {
  readonly entries: ReadonlyMap<string, ZipEntry>;
  /** The whole content of an entry. Errors: bundle-invalid naming file and entry. */
  read(entry: ZipEntry): Uint8Array<ArrayBuffer>;
}

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const END_BYTES = 22;
const END64_BYTES = 56;
const LOCATOR_BYTES = 20;
const CENTRAL_BYTES = 46;
const LOCAL_BYTES = 30;
const MAX_COMMENT = 0xffff;
const MAX_DIRECTORY = 2 ** 26;
const MAX_ENTRIES = 2 ** 18;
const MAX_ENTRY_BYTES = 2 ** 33;
/** Deflate cannot pack better than 1 : 1032. */
const MAX_RATIO = 1032;

const FETCH_AGAIN = 'The file is damaged or was cut off: fetch it again, and compare its size and hash with the source.';

type Fail = (problem: string, entry?: string, remedy?: string) => never;

/** Whether the file starts as a zip with entries does. */
export const looksLikeZip = (start: Uint8Array): boolean =>
  start[0] === 0x50 && start[1] === 0x4b && start[2] === 3 && start[3] === 4;

/** Reads the directory of a zip file. Errors: bundle-invalid naming the file and, where there is one, the entry. */
export function openZip(file: RandomFile): ZipArchive {
  const fail: Fail = (problem, entry, remedy = FETCH_AGAIN) => invalid(file.path, entry, problem, remedy);
  const { offset, bytes, count } = findDirectory(file, fail);
  const directory = file.read(offset, bytes);
  const view = viewOf(directory);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let n = 0; n < count; n++) {
    if (at + CENTRAL_BYTES > bytes || view.getUint32(at, true) !== CENTRAL)
      fail(`its directory breaks off at entry ${n} of ${count}`);
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) => view.getUint16(at + field, true)) as [
      number,
      number,
      number,
    ];
    const end = at + CENTRAL_BYTES + nameBytes + extraBytes + commentBytes;
    if (end > bytes) fail(`its directory breaks off at entry ${n} of ${count}`);
    const nameEnd = at + CENTRAL_BYTES + nameBytes;
    const name = new TextDecoder().decode(directory.subarray(at + CENTRAL_BYTES, nameEnd));
    const entry = readEntry(viewOf(directory.subarray(at, end)), name, nameEnd - at, extraBytes, fail);
    if (entries.has(name)) fail('the directory names it twice', name);
    entries.set(name, entry);
    at = end;
  }
  checkPlaces([...entries.values()], offset, fail);
  return { entries, read: (entry) => readContent(file, entry, offset, fail) };
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function findDirectory(file: RandomFile, fail: Fail): { offset: number; bytes: number; count: number } {
  const tailBytes = Math.min(file.bytes, END_BYTES + MAX_COMMENT + LOCATOR_BYTES);
  const tail = viewOf(file.read(file.bytes - tailBytes, tailBytes));
  let at = tailBytes - END_BYTES;
  while (at >= 0 && !(tail.getUint32(at, true) === END && at + END_BYTES + tail.getUint16(at + 20, true) === tailBytes)) at--;
  if (at < 0) return fail('the zip directory at its end is missing');
  let limit = file.bytes - tailBytes + at;
  let count = tail.getUint16(at + 10, true);
  let bytes = tail.getUint32(at + 12, true);
  let offset = tail.getUint32(at + 16, true);
  if (at >= LOCATOR_BYTES && tail.getUint32(at - LOCATOR_BYTES, true) === LOCATOR64) {
    const where = Number(tail.getBigUint64(at - LOCATOR_BYTES + 8, true));
    limit -= LOCATOR_BYTES;
    if (where + END64_BYTES > limit) return fail(`its zip64 directory is said to end at byte ${where}, outside the file`);
    const end = viewOf(file.read(where, END64_BYTES));
    if (end.getUint32(0, true) !== END64) return fail(`there is no zip64 directory end at byte ${where}`);
    [count, bytes, offset] = [32, 40, 48].map((field) => Number(end.getBigUint64(field, true))) as [number, number, number];
    limit = where;
  }
  if (offset + bytes > limit) return fail(`its directory is said to lie at bytes ${offset}…${offset + bytes} of ${limit}`);
  if (bytes > MAX_DIRECTORY || count > MAX_ENTRIES)
    return fail(`it has ${count} entries in a directory of ${bytes} bytes`, undefined, 'This is no checkpoint.');
  return { offset, bytes, count };
}

function readEntry(view: DataView, name: string, extraAt: number, extraBytes: number, fail: Fail): ZipEntry {
  const flags = view.getUint16(8, true);
  const method = view.getUint16(10, true);
  if ((flags & 1) !== 0) fail('it is encrypted', name, 'Save the checkpoint without a password.');
  if (method !== 0 && method !== 8) fail(`compression method ${method} is unknown`, name, 'Save it again with torch.save.');
  const sizes = { bytes: view.getUint32(24, true), packedBytes: view.getUint32(20, true), header: view.getUint32(42, true) };
  // A zip64 extra holds, in this order, those of the three that do not fit in 32 bits.
  let at = extraAt;
  const end = extraAt + extraBytes;
  while (at + 4 <= end) {
    const next = at + 4 + view.getUint16(at + 2, true);
    if (view.getUint16(at, true) === 1) {
      let field = at + 4;
      for (const key of ['bytes', 'packedBytes', 'header'] as const) {
        if (sizes[key] !== 0xffffffff) continue;
        if (field + 8 > Math.min(next, end)) fail('its zip64 sizes are cut off', name);
        sizes[key] = Number(view.getBigUint64(field, true));
        field += 8;
      }
    }
    at = next;
  }
  const { bytes, packedBytes } = sizes;
  if (bytes > MAX_ENTRY_BYTES) fail(`it claims ${bytes} bytes`, name, `At most ${MAX_ENTRY_BYTES} are read.`);
  if (method === 0 && bytes !== packedBytes) fail(`it is stored, but its sizes are ${packedBytes} and ${bytes}`, name);
  if (method === 8 && bytes > packedBytes * MAX_RATIO)
    fail(`${packedBytes} packed bytes cannot hold the ${bytes} it claims`, name);
  return { name, deflated: method === 8, crc: view.getUint32(16, true), ...sizes };
}

/** Entries lie before the directory and not in each other: overlapping ones are how a small file claims to hold a huge one. */
function checkPlaces(entries: ZipEntry[], directory: number, fail: Fail): void {
  entries.sort((a, b) => a.header - b.header);
  for (const [n, { name, header, packedBytes }] of entries.entries()) {
    const next = entries[n + 1]?.header ?? directory;
    const end = header + LOCAL_BYTES + packedBytes;
    if (end > next) fail(`it is said to lie at bytes ${header}…${end}, but what follows starts at ${next}`, name);
  }
}

function readContent(file: RandomFile, entry: ZipEntry, directory: number, fail: Fail): Uint8Array<ArrayBuffer> {
  const { name, header, packedBytes, bytes, deflated, crc } = entry;
  const local = viewOf(file.read(header, LOCAL_BYTES));
  if (local.getUint32(0, true) !== LOCAL) fail(`there is no entry at byte ${header}`, name);
  const start = header + LOCAL_BYTES + local.getUint16(26, true) + local.getUint16(28, true);
  if (start + packedBytes > directory) fail(`its bytes ${start}…${start + packedBytes} run into the directory`, name);
  const packed = file.read(start, packedBytes);
  const content = deflated ? inflate(packed, entry, fail) : packed;
  if (content.length !== bytes) fail(`it has ${content.length} bytes, and the directory says ${bytes}`, name);
  // torch.save writes 0 where it was told to compute no checksums.
  if (crc !== 0 && crc32(content) !== crc) fail('its checksum is wrong', name);
  return content;
}

function inflate(packed: Uint8Array, { name, bytes }: ZipEntry, fail: Fail): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(inflateRawSync(packed, { maxOutputLength: Math.max(1, bytes) }));
  } catch (error) {
    return fail(`it does not inflate to the ${bytes} bytes it claims (${error instanceof Error ? error.message : ''})`, name);
  }
}
