/**
 * The closed set of errors. A message says what was wrong, where, and what to do; `detail` carries the values.
 * Errors cross the worker boundary as plain data (`toWire`/`fromWire`), because structured clone keeps no own fields.
 */

/** Every code a caller may meet. */
export const ERROR_CODES = [
  'unsupported',
  'bundle-invalid',
  'bundle-integrity',
  'network',
  'storage',
  'shader',
  'out-of-memory',
  'device-lost',
  'worker-died',
  'frame-invalid',
  'route-unknown',
  'argument-invalid',
  'busy',
  'aborted',
  'disposed',
  'internal',
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

/** Values behind the sentence, structured-clone safe. */
export type ErrorDetail = Readonly<Record<string, string | number | boolean | undefined>>;

/** Codes after which the same runtime can go on being used without a new load. */
const RECOVERABLE: ReadonlySet<ErrorCode> = new Set([
  'network',
  'storage',
  'frame-invalid',
  'route-unknown',
  'argument-invalid',
  'busy',
  'aborted',
]);

export class StitchError extends Error {
  readonly code: ErrorCode;
  readonly detail: ErrorDetail;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'StitchError';
    this.code = code;
    this.detail = detail;
  }

  /**
   * True when the runtime stays usable: the call may be made again. `detail.healing`: it is mending itself just now; `detail.partial`:
   * only what was being loaded is missing.
   */
  get recoverable(): boolean {
    return RECOVERABLE.has(this.code) || this.detail['healing'] === true || this.detail['partial'] === true;
  }
}

/** The same error with more in its detail. */
export const withDetail = ({ code, message, detail, cause }: StitchError, more: ErrorDetail): StitchError =>
  new StitchError(code, message, { ...detail, ...more }, cause);

/** A StitchError as structured-clone data. */
export interface WireError {
  readonly stitchError: true;
  readonly code: ErrorCode;
  readonly message: string;
  readonly detail: ErrorDetail;
  readonly cause?: string;
}

/** Any thrown value as wire data; what is not a StitchError becomes `internal`. */
export function toWire(error: unknown): WireError {
  const known = asStitchError(error);
  const cause = known.cause instanceof Error ? known.cause.message : undefined;
  return {
    stitchError: true,
    code: known.code,
    message: known.message,
    detail: known.detail,
    ...(cause === undefined ? {} : { cause }),
  };
}

/** The inverse of {@link toWire}. */
export function fromWire(wire: WireError): StitchError {
  return new StitchError(wire.code, wire.message, wire.detail, wire.cause === undefined ? undefined : new Error(wire.cause));
}

export function isWireError(value: unknown): value is WireError {
  return typeof value === 'object' && value !== null && (value as Partial<WireError>).stitchError === true;
}

/** A StitchError of another copy of this file: the script build's fallback executor brings its own. */
function isForeign(error: unknown): error is StitchError {
  if (!(error instanceof Error) || error.name !== 'StitchError' || !('code' in error)) return false;
  return (ERROR_CODES as readonly unknown[]).includes(error.code);
}

/** Passes a StitchError through; wraps anything else as `internal` (an AbortError as `aborted`). */
export function asStitchError(error: unknown): StitchError {
  if (error instanceof StitchError) return error;
  if (isForeign(error)) return new StitchError(error.code, error.message, error.detail, error.cause);
  if (error instanceof Error && error.name === 'AbortError') {
    return new StitchError('aborted', 'The operation was aborted by its caller.', {}, error);
  }
  const text = error instanceof Error ? error.message : String(error);
  return new StitchError('internal', `Unexpected failure: ${text}`, {}, error);
}
