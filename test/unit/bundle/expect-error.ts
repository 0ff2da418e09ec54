import { expect } from 'vitest';
import { StitchError, type ErrorCode } from '../../../src/core/errors';

/** The StitchError that `work` throws or rejects with; anything else fails the test. */
export async function errorOf(work: () => unknown): Promise<StitchError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof StitchError) return error;
    throw new Error(`Not a StitchError: ${String(error)}`, { cause: error });
  }
  throw new Error('Nothing was thrown');
}

/** Expects a StitchError of this code whose message holds every part. */
export async function expectError(work: () => unknown, code: ErrorCode, ...parts: (string | RegExp)[]): Promise<StitchError> {
  const error = await errorOf(work);
  expect(error.code, error.message).toBe(code);
  for (const part of parts) expect(error.message).toMatch(part);
  return error;
}
