/**
 * The safetensors file format, read strictly: a file that passes has every byte of data in exactly one tensor. Written the
 * same way. Half precision lives here too, because weights are stored in it. Source: github.com/huggingface/safetensors, README, Format.
 */
import { StitchError } from '../core/errors';

/** Bytes per element of every element type that is read. */
export const ELEMENT_BYTES = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
} as const;
export type Dtype = keyof typeof ELEMENT_BYTES;

export interface TensorView {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** A view on the file's bytes, row-major, little-endian. Aligned to its element when the file's own buffer starts at 0. */
  readonly data: Uint8Array<ArrayBuffer>;
}
export type Tensors = ReadonlyMap<string, TensorView>;

const PREFIX = 8;
const MAX_HEADER = 2 ** 24;
const MAX_TENSORS = 65536;
const MAX_RANK = 8;
const BUILD_AGAIN = 'Build the bundle again; the file is not one that its tools wrote.';

/** A short rendering of an untrusted value for a message. */
const show = (value: unknown): string => JSON.stringify(value)?.slice(0, 80) ?? 'missing';

interface Range {
  readonly name: string;
  readonly begin: number;
  readonly end: number;
}

/**
 * Parses a whole file; `file` names it in messages. The tensors are views: they keep `bytes` alive and see its changes.
 * Errors: bundle-invalid.
 */
export function parseSafetensors(bytes: ArrayBuffer | Uint8Array<ArrayBuffer>, file: string): Tensors {
  const all = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  const fail: Fail = (problem, remedy = BUILD_AGAIN) => {
    throw new StitchError('bundle-invalid', `Safetensors file ${file}: ${problem}. ${remedy}`, { file });
  };
  const { header, text, dataStart } = readHeader(all, fail);
  const names = Object.keys(header).filter((name) => name !== '__metadata__');
  if (names.length > MAX_TENSORS)
    fail(`it has ${names.length} tensors`, `This runtime reads at most ${MAX_TENSORS} in a file.`);
  if (countTopLevelKeys(text) !== Object.keys(header).length) fail('its header names a tensor twice');

  const data = all.subarray(dataStart);
  const tensors = new Map<string, TensorView>();
  const ranges: Range[] = [];
  for (const name of names) {
    const { dtype, shape, begin, end } = readEntry(header[name], name, data.length, fail);
    tensors.set(name, { dtype, shape, data: data.subarray(begin, end) });
    ranges.push({ name, begin, end });
  }
  checkCover(ranges, data.length, fail);
  return tensors;
}

type Fail = (problem: string, remedy?: string) => never;

function readHeader(all: Uint8Array, fail: Fail): { header: Record<string, unknown>; text: string; dataStart: number } {
  if (all.length < PREFIX) return fail(`it has ${all.length} bytes, too few for a header length`);
  const view = new DataView(all.buffer, all.byteOffset, all.byteLength);
  const length = Number(view.getBigUint64(0, true));
  const room = all.length - PREFIX;
  if (length < 2 || length > Math.min(room, MAX_HEADER)) {
    return fail(`its header length is ${length}, outside 2…${Math.min(room, MAX_HEADER)} (the file has ${all.length} bytes)`);
  }
  if ((PREFIX + length) % 8 !== 0) {
    return fail(
      `its data start at byte ${PREFIX + length}`,
      'Pad the JSON header with spaces so that data start on a multiple of 8.',
    );
  }
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(all.subarray(PREFIX, PREFIX + length));
    header = JSON.parse(text);
  } catch (error) {
    return fail(`its header is not JSON (${error instanceof Error ? error.message.slice(0, 80) : 'unreadable'})`);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) return fail('its header is not a JSON object');
  return { header: header as Record<string, unknown>, text, dataStart: PREFIX + length };
}

/** JSON.parse keeps the last of two equal keys silently, so keys are counted in the text: all strings at depth 1 are keys. */
function countTopLevelKeys(text: string): number {
  let depth = 0;
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '{' || char === '[') depth++;
    else if (char === '}' || char === ']') depth--;
    else if (char === '"') {
      if (depth === 1) count++;
      for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++;
    }
  }
  return count;
}

function readEntry(value: unknown, name: string, dataBytes: number, fail: Fail) {
  const at = `tensor ${show(name)}`;
  if (typeof value !== 'object' || value === null) return fail(`${at} is ${show(value)}, not an object`);
  const { dtype, shape, data_offsets: offsets } = value as Readonly<Record<string, unknown>>;
  if (typeof dtype !== 'string' || !Object.hasOwn(ELEMENT_BYTES, dtype)) {
    return fail(`${at} has dtype ${show(dtype)}`, `Known are ${Object.keys(ELEMENT_BYTES).join(', ')}.`);
  }
  if (!isCounts(shape) || shape.length > MAX_RANK) return fail(`${at} has a bad shape, ${show(shape)}`);
  if (!isCounts(offsets) || offsets.length !== 2) return fail(`${at} has bad data_offsets, ${show(offsets)}`);
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > dataBytes)
    return fail(`${at} has data_offsets [${begin}, ${end}], but the data are ${dataBytes} bytes`);
  const known = dtype as Dtype;
  const expected = shape.reduce((product, size) => product * size, ELEMENT_BYTES[known]);
  if (expected !== end - begin) {
    return fail(`${at} is ${dtype} [${shape.join(', ')}], ${expected} bytes, but data_offsets give it ${end - begin}`);
  }
  return { dtype: known, shape, begin, end };
}

const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((entry) => Number.isSafeInteger(entry) && (entry as number) >= 0);

/** No gap, no overlap, nothing left over. */
function checkCover(ranges: Range[], dataBytes: number, fail: Fail): void {
  ranges.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let next = 0;
  for (const { name, begin, end } of ranges) {
    if (begin !== next)
      fail(`tensor ${show(name)} starts at ${begin} and ${begin < next ? 'overlaps' : 'leaves a gap after'} byte ${next}`);
    next = end;
  }
  if (next !== dataBytes) fail(`its tensors end at byte ${next} of ${dataBytes} data bytes`);
}

/** A tensor to be written: `data` are the row-major little-endian bytes. */
export interface TensorInput {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data: ArrayBufferView;
}

/**
 * A whole file, tensors in the map's order, data from a multiple of 8. Tensors of 8, 4, 2 and 1-byte elements stay aligned
 * if the caller orders them so; all-F16 shards always are. Errors: argument-invalid.
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, TensorInput>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  // Entries instead of assignment, so that a tensor named __proto__ is an own property like any other.
  const entries: [string, unknown][] = metadata === undefined ? [] : [['__metadata__', metadata]];
  let offset = 0;
  for (const [name, { dtype, shape, data }] of tensors) {
    const expected = shape.reduce((product, size) => product * size, ELEMENT_BYTES[dtype]);
    if (expected !== data.byteLength) {
      const problem = `Tensor ${show(name)}: ${dtype} [${shape.join(', ')}] takes ${expected} bytes, but data has ${data.byteLength}.`;
      throw new StitchError('argument-invalid', `${problem} Pass data of the stated dtype and shape.`, { name });
    }
    entries.push([name, { dtype, shape, data_offsets: [offset, offset + expected] }]);
    offset += expected;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(PREFIX + headerBytes + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.fill(0x20, PREFIX, PREFIX + headerBytes);
  file.set(json, PREFIX);
  let at = PREFIX + headerBytes;
  for (const { data } of tensors.values()) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return file;
}

/** The 16-bit words of an F16 or BF16 tensor: a view where the data are aligned, else a copy. */
export function words16(tensor: TensorView): Uint16Array<ArrayBuffer> {
  const { data } = tensor;
  if (data.byteOffset % 2 === 0) return new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
  return new Uint16Array(data.slice().buffer);
}

/** The elements of an F16, BF16 or F32 tensor as a new f32 array. Errors: argument-invalid for other dtypes. */
export function tensorToF32(tensor: TensorView): Float32Array<ArrayBuffer> {
  if (tensor.dtype === 'F16') return f16ToF32(words16(tensor));
  if (tensor.dtype === 'BF16') return bf16ToF32(words16(tensor));
  if (tensor.dtype === 'F32') {
    const values = new Float32Array(tensor.data.length / 4);
    new Uint8Array(values.buffer).set(tensor.data);
    return values;
  }
  throw new StitchError(
    'argument-invalid',
    `A tensor of dtype ${tensor.dtype} is no float tensor. Convert F16, BF16 or F32 only.`,
  );
}

/** 2^112 moves an exponent biased by 15 to one biased by 127. Exact for subnormals too. */
const REBIAS = 2 ** 112;
const F16_EXPONENT = 0x7c00;

/** f16 bits to f32: [n] → [n], exact for every value; a NaN stays a NaN. */
export function f16ToF32(half: Uint16Array): Float32Array<ArrayBuffer> {
  const out = new Float32Array(half.length);
  const bits = new Uint32Array(out.buffer);
  for (let i = 0; i < half.length; i++) {
    const h = half[i]!;
    const sign = (h & 0x8000) << 16;
    const magnitude = (h & 0x7fff) << 13;
    if ((h & F16_EXPONENT) === F16_EXPONENT) {
      bits[i] = sign | 0x7f800000 | magnitude;
    } else {
      bits[i] = magnitude;
      out[i] = out[i]! * REBIAS;
      bits[i] = bits[i]! | sign;
    }
  }
  return out;
}

/** f32 to f16 bits: [n] → [n], rounding to nearest even; beyond ±65520 is infinity; every NaN becomes the quiet NaN 0x7e00. */
export function f32ToF16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const out = new Uint16Array(values.length);
  const scratch = new Float32Array(1);
  const bits = new Uint32Array(scratch.buffer);
  for (let i = 0; i < values.length; i++) {
    scratch[0] = values[i]!;
    const sign = (bits[0]! >>> 16) & 0x8000;
    const magnitude = bits[0]! & 0x7fffffff;
    if (magnitude >= 0x47800000) {
      // 65536 and up, infinity, NaN
      out[i] = magnitude > 0x7f800000 ? 0x7e00 : sign | F16_EXPONENT;
    } else if (magnitude < 0x38800000) {
      // Below 2^-14: adding 0.5 makes the f32 unit in the last place 2^-24, the f16 subnormal step, and rounds to even.
      bits[0] = magnitude;
      scratch[0] += 0.5;
      out[i] = sign | (bits[0] - 0x3f000000);
    } else {
      // Half a step minus one, plus the bit that becomes the last: ties go to even; a carry runs into the exponent rightly.
      out[i] = sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
    }
  }
  return out;
}

/** bfloat16 bits to f32: [n] → [n], exact. */
function bf16ToF32(values: Uint16Array): Float32Array<ArrayBuffer> {
  const out = new Float32Array(values.length);
  const bits = new Uint32Array(out.buffer);
  for (let i = 0; i < values.length; i++) bits[i] = values[i]! << 16;
  return out;
}
