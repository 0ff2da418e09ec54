/** Option values of the command line, checked. */
import { InvalidArgumentError } from 'commander';

const number = (text: string): number => (text.trim() === '' ? Number.NaN : Number(text));

export function count(text: string): number {
  const value = number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('It must be a whole number of at least 1.');
  return value;
}

export function seed(text: string): number {
  const value = number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('It must be a whole number of at least 0.');
  return value;
}

/** A number above 0. */
export function positive(text: string): number {
  const value = number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError('It must be a number above 0.');
  return value;
}

/** `0.485,0.456,0.406` */
export function triple(text: string): readonly [number, number, number] {
  const [r, g, b, ...rest] = text.split(',').map(number);
  if (r === undefined || g === undefined || b === undefined || rest.length > 0 || ![r, g, b].every(Number.isFinite)) {
    throw new InvalidArgumentError('It must be three numbers with commas, such as 0.485,0.456,0.406.');
  }
  return [r, g, b];
}

/** 64 hex digits, lower-cased: `sha256sum` and others do not agree on the case. */
export function sha256(text: string): string {
  const value = text.trim().toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(value)) throw new InvalidArgumentError('It must be 64 hex digits.');
  return value;
}

/** `3,6,12` */
export function counts(text: string): readonly number[] {
  return text.split(',').map(count);
}

/** `ti,s,b` */
export function words(text: string): readonly string[] {
  return text.split(',').map((word) => word.trim());
}

export function ridge(text: string): number {
  const value = number(text);
  if (!Number.isFinite(value) || value < 0) throw new InvalidArgumentError('It must be a number of at least 0, such as 1e-6.');
  return value;
}
