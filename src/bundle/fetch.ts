/** Downloads that can be trusted: retried while that may help, bounded, and checked against the manifest's size and hash. */
import { StitchError } from '../core/errors';
import { delay, throwIfAborted } from './abort';
import { requireCrypto, sha256Hex } from './hash';
import { TransientError, transfer, type Body } from './transfer';

/** Patience, in milliseconds and counts. Defaults: {@link RETRY}. */
export interface RetryPolicy {
  /** Tries in all. */
  readonly attempts: number;
  /** First wait; doubles each time, and half of it is random so that many clients do not come back at once. */
  readonly baseMs: number;
  /** The longest wait, also where the server asks for more. */
  readonly maxMs: number;
  /** Silence after which a transfer counts as dead. */
  readonly stallMs: number;
}
export const RETRY: RetryPolicy = { attempts: 4, baseMs: 400, maxMs: 10_000, stallMs: 20_000 };

interface Common {
  readonly signal?: AbortSignal | undefined;
  readonly retry?: Partial<RetryPolicy> | undefined;
}

export interface FetchFileOptions extends Common {
  /** Exact size. */
  readonly bytes: number;
  /** 64 lower-case hex digits. */
  readonly sha256: string;
  /** Bytes that arrived since the last call; negative when a new try takes back what the last one had reported. */
  readonly onBytes?: ((delta: number) => void) | undefined;
}

/**
 * Downloads one file and verifies it. A file of the wrong size or hash is fetched once more past the HTTP cache before it
 * counts as wrong. Errors: network, bundle-integrity, unsupported (no Web Crypto), aborted (at most a task later).
 */
export async function fetchFile(url: string, options: FetchFileOptions): Promise<Uint8Array<ArrayBuffer>> {
  requireCrypto();
  const first = await fetchOnce(url, 'default', options);
  if (first.bytes !== undefined) return first.bytes;
  const second = await fetchOnce(url, 'reload', options);
  if (second.bytes !== undefined) return second.bytes;
  throw new StitchError('bundle-integrity', `${url}: ${second.problem}`, { url, expectedBytes: options.bytes });
}

async function fetchOnce(url: string, cache: RequestCache, options: FetchFileOptions) {
  const { bytes: size, sha256, signal, onBytes } = options;
  let reported = 0;
  const report = (delta: number) => {
    reported += delta;
    onBytes?.(delta);
  };
  const takeBack = () => reported > 0 && report(-reported);
  const body = await withRetry(
    url,
    options,
    (stallMs) => transfer(url, { limit: size, cache, stallMs, signal, onBytes: report }),
    takeBack,
  );
  const found = !body.tooMany && body.bytes.length === size ? await sha256Hex(body.bytes) : undefined;
  throwIfAborted(signal);
  if (found === sha256) return { bytes: body.bytes };
  takeBack();
  return { problem: describeMismatch(body, size, sha256, found) };
}

function describeMismatch(body: Body, size: number, sha256: string, found: string | undefined): string {
  if (looksLikeHtml(body)) {
    const remedy =
      'The server answers unknown addresses with its start page: upload the file, or exclude the models folder from the rewrite.';
    return `HTML arrived instead of weights. ${remedy}`;
  }
  const remedy = 'Publish the manifest and its files together, and purge caches and proxies that hold or change an older file.';
  if (found !== undefined) return `the SHA-256 is ${found}, the manifest says ${sha256}. ${remedy}`;
  const arrived = body.tooMany ? `more than ${size}` : String(body.bytes.length);
  return `${arrived} bytes arrived, the manifest says ${size}. ${remedy}`;
}

/** Whether a body is a web page: what a single-page-application server or a captive portal sends for anything. */
function looksLikeHtml({ bytes, contentType }: Body): boolean {
  const start = new TextDecoder().decode(bytes.subarray(0, 256)).trimStart().toLowerCase();
  return (
    start.startsWith('<!doctype html') ||
    start.startsWith('<html') ||
    (contentType.startsWith('text/html') && start.startsWith('<'))
  );
}

export interface FetchJsonOptions extends Common {
  /** Longest text that is read, bytes. */
  readonly limit: number;
}

/**
 * Downloads and parses a JSON document that no manifest vouches for: the manifest itself.
 * Errors: network, bundle-invalid (HTML, not JSON, too long), aborted.
 */
export async function fetchJson(url: string, options: FetchJsonOptions): Promise<{ json: unknown; url: string }> {
  const { limit, signal } = options;
  // no-cache revalidates, so that a new version is seen at once; the files it names are immutable by their hash.
  const body = await withRetry(url, options, (stallMs) => transfer(url, { limit, cache: 'no-cache', stallMs, signal }));
  const fail = (problem: string): never => {
    throw new StitchError('bundle-invalid', `${url}: ${problem}`, { url });
  };
  if (looksLikeHtml(body))
    return fail('HTML arrived instead of JSON. Check the address of the manifest; the server sent a web page.');
  if (body.tooMany)
    return fail(`the document is longer than ${limit} bytes. Check that the address is that of a manifest.json.`);
  try {
    return { json: JSON.parse(new TextDecoder().decode(body.bytes)), url: body.url };
  } catch (error) {
    return fail(
      `this is not JSON (${error instanceof Error ? error.message.slice(0, 100) : ''}). Check the address and the file.`,
    );
  }
}

/** Runs `attempt` until it succeeds, fails for good, or patience ends. `onRestart` runs before every further try. */
async function withRetry<T>(
  url: string,
  { signal, retry }: Common,
  attempt: (stallMs: number) => Promise<T>,
  onRestart?: () => void,
): Promise<T> {
  const policy = { ...RETRY, ...retry };
  for (let tries = 1; ; tries++) {
    try {
      return await attempt(policy.stallMs);
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      if (tries >= policy.attempts) {
        const problem = `${url}: the download failed ${tries} times, last because ${error.message}`;
        const remedy =
          'Check the connection, and that the server allows this page by CORS and the page allows the server by connect-src.';
        throw new StitchError('network', `${problem}. ${remedy}`, { url, attempts: tries }, error);
      }
      onRestart?.();
      const backOff = policy.baseMs * 2 ** (tries - 1) * (0.5 + Math.random() / 2);
      await delay(Math.min(Math.max(backOff, error.retryAfterMs ?? 0), policy.maxMs), signal);
    }
  }
}
