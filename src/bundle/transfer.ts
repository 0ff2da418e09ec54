/** One HTTP transfer into memory: streamed, bounded, abortable, watched for stalls. Retrying is fetch.ts's work. */
import { StitchError } from '../core/errors';
import { abortedError } from './abort';

/** What went wrong in a transfer that another try may cure. */
export class TransientError extends Error {
  /** Milliseconds the server asked to wait, if it did. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, cause?: unknown, retryAfterMs?: number) {
    super(message, { cause });
    this.retryAfterMs = retryAfterMs;
  }
}

export interface Body {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** True when more than `limit` bytes came; `bytes` then holds the first `limit` of them. */
  readonly tooMany: boolean;
  /** After redirects. */
  readonly url: string;
  readonly contentType: string;
}

export interface TransferOptions {
  /** Room for the body; reading stops when more arrives. */
  readonly limit: number;
  readonly cache: RequestCache;
  /** Milliseconds without a byte after which the transfer counts as dead. */
  readonly stallMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: ((delta: number) => void) | undefined;
}

/**
 * GET `url`. Content-Length is not consulted: with a content encoding it counts other bytes than those that arrive.
 * Errors: TransientError, aborted, network (a status that will not change).
 */
export async function transfer(url: string, options: TransferOptions): Promise<Body> {
  const { signal, stallMs } = options;
  if (signal?.aborted) throw abortedError(signal);
  // One controller for three reasons to stop: the caller, a stall, and having read enough.
  const stop = new AbortController();
  const onAbort = () => stop.abort();
  signal?.addEventListener('abort', onAbort, { once: true });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(), stallMs);
  };
  try {
    alive();
    const response = await fetch(url, { signal: stop.signal, cache: options.cache });
    checkStatus(response, url);
    return await readBody(response, url, options, alive);
  } catch (error) {
    if (signal?.aborted) throw abortedError(signal);
    if (error instanceof StitchError || error instanceof TransientError) throw error;
    if (stop.signal.aborted) throw new TransientError(`no byte arrived for ${stallMs / 1000} s`, error);
    throw new TransientError(error instanceof Error ? error.message : String(error), error);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    stop.abort();
  }
}

async function readBody(response: Response, url: string, options: TransferOptions, alive: () => void): Promise<Body> {
  const { limit, onBytes } = options;
  const parts: Uint8Array[] = [];
  let length = 0;
  let tooMany = false;
  const reader = response.body?.getReader();
  for (let chunk = await reader?.read(); chunk?.done === false; chunk = await reader?.read()) {
    const { value } = chunk;
    alive();
    const part = value.subarray(0, limit - length);
    tooMany = part.length < value.length;
    parts.push(part);
    length += part.length;
    onBytes?.(part.length);
    if (tooMany) break;
  }
  // Joined at the end and not written into `limit` bytes up front: a manifest may claim a size that no memory has.
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return { bytes, tooMany, url: response.url || url, contentType: response.headers.get('content-type') ?? '' };
}

function checkStatus({ ok, status, headers }: Response, url: string): void {
  if (ok) return;
  if (status >= 500 || status === 429 || status === 408) {
    const seconds = Number(headers.get('retry-after') ?? Number.NaN);
    throw new TransientError(`the server answered ${status}`, undefined, Number.isFinite(seconds) ? seconds * 1000 : undefined);
  }
  const remedy =
    status === 404 || status === 410
      ? 'The file is not there: check the address, and that every file of the bundle was uploaded.'
      : 'Check that the server lets this page read the file.';
  throw new StitchError('network', `${url}: the server answered ${status}. ${remedy}`, { url, status });
}
