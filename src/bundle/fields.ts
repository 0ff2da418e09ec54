/**
 * Typed reading of untrusted JSON. Every method returns a checked value or throws a StitchError whose message names the
 * document, the path of the field, what is wrong with it, and the remedy.
 */
import { StitchError } from '../core/errors';

/** A JSON object of unknown content. Only own fields of parsed JSON are read, so prototypes do not matter. */
export type Fields = Readonly<Record<string, unknown>>;

interface Range {
  readonly min?: number;
  readonly max?: number;
  /** Exclusive lower bound. */
  readonly above?: number;
}

/** First character alphanumeric, so that no id looks like an option, a hidden file or `__proto__`. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._+~-]*$/;
/** Anchor ids are a segment of dotted unit names, hence no dot. */
const SEGMENT_ID = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;
const FILE_SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9._+-]*$/;
const MAX_ID = 120;
const MAX_FILE = 240;

/** A short, safe rendering of any value for a message; a hostile value of megabytes stays a few characters. */
export function show(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return `${value as number | boolean | null}`;
}

export class FieldReader {
  private readonly kind: string;
  private readonly url: string;

  constructor(kind: string, url: string) {
    this.kind = kind;
    this.url = url;
  }

  fail(path: string, problem: string, remedy: string): never {
    throw new StitchError('bundle-invalid', `${this.kind} ${this.url}: ${path} ${problem}. ${remedy}`, { url: this.url, path });
  }

  object(value: unknown, path: string): Fields {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
    return this.fail(path, `is ${show(value)}`, 'Put a JSON object there.');
  }

  list(value: unknown, path: string, min: number, max: number): readonly unknown[] {
    if (!Array.isArray(value)) return this.fail(path, `is ${show(value)}`, 'Put a list there.');
    if (value.length < min) return this.fail(path, `has ${value.length} entries`, `Put at least ${min} there.`);
    if (value.length > max) {
      return this.fail(
        path,
        `has ${value.length} entries`,
        `This runtime reads at most ${max}; drop some or split the bundle.`,
      );
    }
    return value as readonly unknown[];
  }

  string(value: unknown, path: string, max: number, min = 0): string {
    if (typeof value !== 'string') return this.fail(path, `is ${show(value)}`, 'Put a string there.');
    if (value.length < min) return this.fail(path, 'is empty', 'Put some text there.');
    if (value.length > max) return this.fail(path, `has ${value.length} characters`, `Shorten it to at most ${max}.`);
    return value;
  }

  id(value: unknown, path: string, dots: boolean): string {
    const text = this.string(value, path, MAX_ID, 1);
    // Ids become keys of plain objects, where a name of Object.prototype would be found without being there.
    if ((dots ? ID : SEGMENT_ID).test(text) && !(text in {})) return text;
    const allowed = dots ? 'letters, digits and . _ + ~ -' : 'letters, digits and _ - (no dot: it separates unit names)';
    return this.fail(
      path,
      `is ${show(text)}`,
      `Use ${allowed}, starting with a letter or digit, and no name that every object has.`,
    );
  }

  /** A file name that cannot leave the bundle's folder. */
  file(value: unknown, path: string): string {
    const text = this.string(value, path, MAX_FILE, 1);
    if (text.split('/').every((part) => FILE_SEGMENT.test(part))) return text;
    const remedy =
      'Name a file inside the bundle folder: letters, digits and . _ + - in every part, no "..", no leading "/" or scheme.';
    return this.fail(path, `is ${show(text)}`, remedy);
  }

  sha256(value: unknown, path: string): string {
    const text = this.string(value, path, 64);
    if (/^[0-9a-f]{64}$/.test(text)) return text;
    return this.fail(path, `is ${show(text)}`, 'Put the SHA-256 of the file as 64 lower-case hex digits.');
  }

  number(value: unknown, path: string, { min, max, above }: Range): number {
    if (typeof value !== 'number' || !Number.isFinite(value))
      return this.fail(path, `is ${show(value)}`, 'Put a finite number there.');
    if (min !== undefined && value < min) return this.fail(path, `is ${value}`, `It must be at least ${min}.`);
    if (above !== undefined && value <= above) return this.fail(path, `is ${value}`, `It must be above ${above}.`);
    if (max !== undefined && value > max) return this.fail(path, `is ${value}`, `It must be at most ${max}.`);
    return value;
  }

  integer(value: unknown, path: string, min: number, max: number): number {
    const number = this.number(value, path, { min, max });
    return Number.isInteger(number) ? number : this.fail(path, `is ${number}`, 'Put a whole number there.');
  }

  boolean(value: unknown, path: string): boolean {
    return typeof value === 'boolean' ? value : this.fail(path, `is ${show(value)}`, 'Put true or false there.');
  }

  oneOf<T extends string>(value: unknown, path: string, choices: readonly T[]): T {
    const found = choices.find((choice) => choice === value);
    const list = choices.map((choice) => JSON.stringify(choice)).join(' or ');
    return found ?? this.fail(path, `is ${show(value)}`, `This runtime reads ${list}.`);
  }
}
