/** The bytes of a pickle, taken from front to back. Every read is checked against the end. */

/** No count or seed in a checkpoint is longer; Python would read any. */
const MAX_INTEGER_BYTES = 64;

export class PickleReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fail: (problem: string) => never;
  readonly #text = new TextDecoder();
  #at = 0;

  constructor(bytes: Uint8Array, fail: (problem: string) => never) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#fail = fail;
  }

  get bytes(): number {
    return this.#bytes.length;
  }

  /** Offset of the next byte. */
  get at(): number {
    return this.#at;
  }

  /** The next `length` bytes, a view. */
  take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) this.#fail(`the pickle breaks off at byte ${this.#bytes.length}`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** Little-endian, of 1, 2, 4 or 8 bytes. */
  uint(length: number): number {
    if (length > this.#bytes.length - this.#at) this.take(length);
    let value = 0;
    for (let n = this.#at + length - 1; n >= this.#at; n--) value = value * 256 + this.#bytes[n]!;
    this.#at += length;
    return value;
  }

  /** Big-endian double: the one number of a pickle that is. */
  float(): number {
    this.take(8);
    return this.#view.getFloat64(this.#at - 8);
  }

  /** Little-endian two's complement. */
  long(length: number): number | bigint {
    if (length > MAX_INTEGER_BYTES) this.#fail(`it holds an integer of ${length} bytes`);
    const value = this.take(length).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    const signed = BigInt.asIntN(length * 8, value);
    return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed;
  }

  /** Bytes behind their length. */
  raw(lengthBytes: number): Uint8Array {
    return this.take(this.uint(lengthBytes));
  }

  /** UTF-8 behind its length. */
  string(lengthBytes: number): string {
    return this.#text.decode(this.raw(lengthBytes));
  }

  /** Text up to a line feed. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) return this.#fail(`the pickle breaks off at byte ${this.#bytes.length}`);
    const text = this.#text.decode(this.take(end - this.#at));
    this.#at++;
    return text;
  }
}
