/**
 * Safetensors files of strangers, header first and tensors on demand: a checkpoint may be larger than memory. As strict as
 * bundle/safetensors.ts, but the data need not be aligned, because older writers did not. Source: the format's README.
 */
import { invalid, type RandomFile } from './file';
import { ELEMENT_BYTES } from '../../bundle/safetensors';
import { floats, isFloat, type ItemType } from './floats';
import type { NamedTensor } from './source';

const PREFIX = 8;
const MAX_HEADER = 2 ** 26;
const MAX_RANK = 8;
const FETCH_AGAIN = 'The file is damaged or was cut off: fetch it again, and compare its size and hash with the source.';

type Fail = (problem: string, tensor?: string) => never;

/** Whether the file starts as a safetensors file does: a header length and a brace. */
export function looksLikeSafetensors(start: Uint8Array): boolean {
  const length = start.length > PREFIX ? new DataView(start.buffer, start.byteOffset).getBigUint64(0, true) : 0n;
  return length >= 2n && length <= BigInt(MAX_HEADER) && start[PREFIX] === 0x7b;
}

/** Every tensor of the file, in file order. Errors: bundle-invalid naming file and tensor. */
export function openSafetensors(file: RandomFile): NamedTensor[] {
  const fail: Fail = (problem, tensor) => invalid(file.path, tensor, problem, FETCH_AGAIN);
  const { header, start } = readHeader(file, fail);
  const room = file.bytes - start;
  const found = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => ({ name, ...readEntry(value, name, room, fail) }))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  let next = 0;
  for (const { name, begin, end } of found) {
    if (begin !== next)
      fail(`it starts at byte ${begin} and ${begin < next ? 'overlaps' : 'leaves a gap after'} byte ${next}`, name);
    next = end;
  }
  if (next !== room) fail(`its tensors end at byte ${next} of ${room} data bytes`);
  return found.map(({ name, dtype, shape, begin, end }) => ({
    name,
    dtype,
    shape,
    read: () => {
      if (!isFloat(dtype)) fail(`it is of type ${dtype}; weights are floats`, name);
      return floats(dtype, file.read(start + begin, end - begin));
    },
  }));
}

function readHeader(file: RandomFile, fail: Fail): { header: Record<string, unknown>; start: number } {
  if (file.bytes < PREFIX) return fail(`it has ${file.bytes} bytes, too few for a header length`);
  const length = Number(new DataView(file.read(0, PREFIX).buffer).getBigUint64(0, true));
  const room = Math.min(file.bytes - PREFIX, MAX_HEADER);
  if (length < 2 || length > room)
    return fail(`its header length is ${length}, outside 2…${room} (the file has ${file.bytes} bytes)`);
  let header: unknown;
  const seen = new Set<string>();
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(file.read(PREFIX, length));
    header = JSON.parse(text);
    // JSON.parse keeps the last of two equal keys silently.
    for (const key of topLevelKeys(text)) {
      if (seen.has(key)) return fail('the header names it twice', key);
      seen.add(key);
    }
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    return fail(`its header is not JSON (${error.message.slice(0, 80)})`);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) return fail('its header is not a JSON object');
  return { header: header as Record<string, unknown>, start: PREFIX + length };
}

/** Keys of the outermost object of valid JSON: all strings at depth 1, since every value there is an object. */
function* topLevelKeys(text: string): Generator<string> {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '{' || char === '[') depth++;
    else if (char === '}' || char === ']') depth--;
    else if (char === '"') {
      const start = i;
      for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++;
      if (depth === 1) yield JSON.parse(text.slice(start, i + 1)) as string;
    }
  }
}

function readEntry(value: unknown, name: string, room: number, fail: Fail) {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof dtype !== 'string' || !Object.hasOwn(ELEMENT_BYTES, dtype)) return fail(`its dtype is ${show(dtype)}`, name);
  if (!isCounts(shape) || shape.length > MAX_RANK) return fail(`its shape is ${show(shape)}`, name);
  if (!isCounts(offsets) || offsets.length !== 2) return fail(`its data_offsets are ${show(offsets)}`, name);
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > room) return fail(`its data_offsets are [${begin}, ${end}], but the data are ${room} bytes`, name);
  const type = dtype as ItemType;
  const expected = shape.reduce((product, size) => product * size, ELEMENT_BYTES[type]);
  if (expected === end - begin) return { dtype: type, shape, begin, end };
  return fail(`${type} [${shape.join(', ')}] takes ${expected} bytes, but its data_offsets give it ${end - begin}`, name);
}

const show = (value: unknown): string => JSON.stringify(value)?.slice(0, 80) ?? 'missing';

const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((entry) => Number.isSafeInteger(entry) && (entry as number) >= 0);
