/** Zip files and pickles made by hand, so that a test can lie in any field of them. */
import { crc32, deflateRawSync } from 'node:zlib';

export interface ZipInput {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly deflate?: boolean;
  /** Said in the directory instead of the truth. */
  readonly claims?: Partial<Record<'crc' | 'bytes' | 'packedBytes' | 'header' | 'method' | 'flags', number>>;
}

/** A zip of these entries; `zip64` writes every size and offset in the 64-bit form. */
export function makeZip(inputs: readonly ZipInput[], zip64 = false): Uint8Array<ArrayBuffer> {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  const put = (part: Buffer) => {
    parts.push(part);
    at += part.length;
  };
  for (const { name, bytes, deflate = false, claims = {} } of inputs) {
    const data = deflate ? deflateRawSync(bytes) : Buffer.from(bytes);
    const says = {
      crc: crc32(bytes),
      bytes: bytes.length,
      packedBytes: data.length,
      header: at,
      method: deflate ? 8 : 0,
      flags: 0,
      ...claims,
    };
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(says.method, 8);
    local.writeUInt16LE(name.length, 26);
    const extra = zip64 ? Buffer.alloc(28) : Buffer.alloc(0);
    if (zip64) {
      extra.writeUInt16LE(1, 0);
      extra.writeUInt16LE(24, 2);
      for (const [n, value] of [says.bytes, says.packedBytes, says.header].entries())
        extra.writeBigUInt64LE(BigInt(value), 4 + 8 * n);
    }
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(says.flags, 8);
    central.writeUInt16LE(says.method, 10);
    central.writeUInt32LE(says.crc >>> 0, 16);
    central.writeUInt32LE(zip64 ? 0xffffffff : says.packedBytes, 20);
    central.writeUInt32LE(zip64 ? 0xffffffff : says.bytes, 24);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt16LE(extra.length, 30);
    central.writeUInt32LE(zip64 ? 0xffffffff : says.header, 42);
    directory.push(central, Buffer.from(name), extra);
    for (const part of [local, Buffer.from(name), data]) put(part);
  }
  const start = at;
  for (const part of directory) put(part);
  const bytes = at - start;
  if (zip64) {
    const end = Buffer.alloc(56 + 20);
    end.writeUInt32LE(0x06064b50, 0);
    for (const [offset, value] of [
      [24, inputs.length],
      [32, inputs.length],
      [40, bytes],
      [48, start],
    ] as const)
      end.writeBigUInt64LE(BigInt(value), offset);
    end.writeUInt32LE(0x07064b50, 56);
    end.writeBigUInt64LE(BigInt(at), 64);
    put(end);
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(zip64 ? 0xffff : inputs.length, 10);
  end.writeUInt32LE(zip64 ? 0xffffffff : bytes, 12);
  end.writeUInt32LE(zip64 ? 0xffffffff : start, 16);
  put(end);
  return new Uint8Array(Buffer.concat(parts));
}

/** Pickle opcodes by what they push, just enough to write attacks with. */
export const p = {
  text: (value: string): string => `X${String.fromCharCode(value.length & 255, value.length >> 8, 0, 0)}${value}`,
  int: (value: number): string =>
    `J${String.fromCharCode(value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >>> 24) & 255)}`,
  global: (module: string, name: string): string => `c${module}\n${name}\n`,
  tuple: (...items: string[]): string => `(${items.join('')}t`,
  dict: (...pairs: readonly (readonly [string, string])[]): string =>
    `}(${pairs.map(([key, value]) => p.text(key) + value).join('')}u`,
  call: (callee: string, ...args: string[]): string => `${callee}${p.tuple(...args)}R`,
  storage: (key: string, items: number, type = 'FloatStorage'): string =>
    `${p.tuple(p.text('storage'), p.global('torch', type), p.text(key), p.text('cpu'), p.int(items))}Q`,
  /** `more` are further arguments behind the strides. */
  tensor: (
    storage: string,
    shape: readonly number[],
    stride: readonly number[],
    offset = 0,
    hooks: string = p.call(p.global('collections', 'OrderedDict')),
  ): string =>
    p.call(
      p.global('torch._utils', '_rebuild_tensor_v2'),
      storage,
      p.int(offset),
      p.tuple(...shape.map(p.int)),
      p.tuple(...stride.map(p.int)),
      '\x89',
      hooks,
    ),
  file: (content: string): Uint8Array => new Uint8Array(Buffer.from(`\x80\x02${content}.`, 'latin1')),
};

/** A PyTorch checkpoint around a pickle; storages by key. */
export function makeTorch(
  content: string,
  storages: Readonly<Record<string, Uint8Array>> = {},
  more: readonly ZipInput[] = [],
): Uint8Array<ArrayBuffer> {
  return makeZip([
    { name: 'archive/data.pkl', bytes: p.file(content) },
    ...Object.entries(storages).map(([key, bytes]) => ({ name: `archive/data/${key}`, bytes })),
    ...more,
  ]);
}

export const floatBytes = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
