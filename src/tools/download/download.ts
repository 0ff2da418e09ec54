/**
 * One file over HTTP, resumed where it broke off: Range with If-Range, so that a changed file starts anew; verified before it
 * gets its name. What is interrupted leaves its `.part` and nothing else.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { abortedError, delay, throwIfAborted } from '../../bundle/abort';
import { StitchError } from '../../core/errors';
import { dropParts, findPart, finishPart, openPart, type Part, startPart, storageError } from './part';
import { request, TransientError } from './request';

export interface DownloadProgress {
  /** Name of the file. */
  readonly file: string;
  readonly bytes: number;
  /** Undefined while the server has not said it. */
  readonly total: number | undefined;
}

/** Patience. Default: {@link PATIENCE}. */
export interface Patience {
  /** Tries in a row that bring no byte, before giving up. */
  readonly attempts: number;
  /** First wait, milliseconds; doubles with each of these tries. */
  readonly baseMs: number;
  /** Silence after which a connection counts as dead. */
  readonly stallMs: number;
}
export const PATIENCE: Patience = { attempts: 5, baseMs: 500, stallMs: 30_000 };

export interface DownloadOptions {
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Exact size, where it is known. */
  readonly bytes?: number | undefined;
  /** 64 lower-case hex digits, where it is known. */
  readonly sha256?: string | undefined;
  readonly patience?: Partial<Patience> | undefined;
  /** Fetches also what is there; it stays until the new file is whole. */
  readonly refresh?: boolean | undefined;
  /** Told of a file that was there and is taken as it is. */
  readonly onCached?: ((path: string) => void) | undefined;
}

const LONGEST_WAIT_MS = 30_000;
/** A server may deliver in small pieces, but not forever. */
const MAX_TRIES = 1000;

interface Transfer {
  readonly url: URL;
  readonly target: string;
  readonly options: DownloadOptions;
  readonly patience: Patience;
  expectedBytes: number | undefined;
  sha256: string | undefined;
}

/**
 * Downloads `url` to `target`, unless it is there. Errors: network, bundle-integrity (size, SHA-256; the part is removed),
 * storage, aborted (the part stays).
 */
export async function download(url: URL, target: string, options: DownloadOptions = {}): Promise<void> {
  throwIfAborted(options.signal);
  const transfer: Transfer = {
    url,
    target,
    options,
    patience: { ...PATIENCE, ...options.patience },
    expectedBytes: options.bytes,
    sha256: options.sha256,
  };
  if (options.refresh !== true && (await isThere(transfer))) return options.onCached?.(target);
  await mkdir(dirname(target), { recursive: true }).catch((error: unknown) => storageError(dirname(target), error));
  const part = await fill(transfer);
  const problem = await whatIsWrong(transfer, part);
  if (problem === undefined) return finishPart(part, target);
  await dropParts(target);
  throw new StitchError(
    'bundle-integrity',
    `${url.href}: ${problem}. Check the address and the expected hash, then try again.`,
    {
      url: url.href,
    },
  );
}

/** A finished file is taken as it is, unless the caller knows better. */
async function isThere({ target, options }: Transfer): Promise<boolean> {
  const found = await stat(target).catch(() => undefined);
  if (found === undefined) return false;
  if (options.bytes !== undefined && options.bytes !== found.size) return false;
  return options.sha256 === undefined || (await sha256Of(target, options.signal)) === options.sha256;
}

/** Tries until the part is complete. A try that brought bytes renews the patience. */
async function fill(transfer: Transfer): Promise<Part> {
  const { url, options, patience } = transfer;
  let idle = 0;
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const before = (await findPart(transfer.target))?.bytes ?? 0;
    try {
      return await once(transfer);
    } catch (error) {
      if (options.signal?.aborted === true) throw abortedError(options.signal);
      if (!(error instanceof TransientError)) throw error;
      const after = (await findPart(transfer.target))?.bytes ?? 0;
      idle = after > before ? 0 : idle + 1;
      if (idle >= patience.attempts) {
        const remedy = 'Run it again: what has arrived is kept where the server allows to go on.';
        throw new StitchError('network', `${url.href}: ${error.message}. ${remedy}`, { url: url.href, bytes: after }, error);
      }
      const wait = error.retryAfterMs ?? (idle === 0 ? patience.baseMs : patience.baseMs * 2 ** (idle - 1));
      await delay(Math.min(LONGEST_WAIT_MS, wait), options.signal);
    }
  }
  throw new StitchError('network', `${url.href}: not complete after ${MAX_TRIES} tries. Try another network.`, {
    url: url.href,
  });
}

/** One request and its body. Errors: TransientError where the body broke off, stalled or never began. */
async function once(transfer: Transfer): Promise<Part> {
  const { url, target, options, patience } = transfer;
  // One controller for two reasons to stop: the caller and silence.
  const stop = new AbortController();
  const onAbort = () => stop.abort();
  options.signal?.addEventListener('abort', onAbort, { once: true });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(), patience.stallMs);
  };
  try {
    throwIfAborted(options.signal);
    alive();
    const old = await findPart(target);
    const resume = old?.etag !== undefined && old.bytes > 0 ? old : undefined;
    const headers: Record<string, string> =
      resume?.etag === undefined ? {} : { range: `bytes=${resume.bytes}-`, 'if-range': resume.etag };
    const answer = await request(url, headers, stop.signal);
    transfer.sha256 = options.sha256 ?? answer.linkedHash;
    transfer.expectedBytes ??= answer.total;
    if (answer.status === 416 && resume !== undefined && answer.total === resume.bytes) return resume;
    const goesOn = answer.status === 206 && resume?.bytes === answer.start && (answer.etag ?? resume.etag) === resume.etag;
    if (answer.status !== 200 && !goesOn) {
      await dropParts(target);
      throw new TransientError(`the server answered ${answer.status} with another range than was asked for`);
    }
    const part = goesOn && resume !== undefined ? resume : await startPart(target, answer.etag);
    if (!goesOn) transfer.expectedBytes = options.bytes ?? answer.total;
    const bytes = await receive(answer.response, part, transfer, alive);
    if (answer.total !== undefined && bytes < answer.total)
      throw new TransientError(`it broke off at ${bytes} of ${answer.total} bytes`);
    return { ...part, bytes };
  } catch (error) {
    if (error instanceof StitchError || error instanceof TransientError) throw error;
    if (stop.signal.aborted) throw new TransientError(`no byte arrived for ${patience.stallMs / 1000} s`, undefined, error);
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : '';
    throw new TransientError(`${error instanceof Error ? error.message : String(error)} ${cause}`.trim(), undefined, error);
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', onAbort);
    stop.abort();
  }
}

/** Appends the body to the part as it arrives; bytes in the part afterwards. */
async function receive(response: Response, part: Part, transfer: Transfer, alive: () => void): Promise<number> {
  const { target, options, expectedBytes: total } = transfer;
  const file = target.split(/[/\\]/).at(-1) ?? target;
  const handle = await openPart(part.path, 'a');
  let { bytes } = part;
  try {
    options.onProgress?.({ file, bytes, total });
    const reader = response.body?.getReader();
    for (let chunk = await reader?.read(); chunk?.done === false; chunk = await reader?.read()) {
      alive();
      await handle.appendFile(chunk.value as Uint8Array).catch((error: unknown) => storageError(part.path, error));
      bytes += (chunk.value as Uint8Array).length;
      options.onProgress?.({ file, bytes, total });
      if (total !== undefined && bytes > total) break;
    }
  } finally {
    await handle.close();
  }
  return bytes;
}

async function whatIsWrong({ expectedBytes, sha256, options }: Transfer, part: Part): Promise<string | undefined> {
  const { size } = await stat(part.path);
  if (expectedBytes !== undefined && size !== expectedBytes) return `${size} bytes arrived, expected ${expectedBytes}`;
  if (sha256 === undefined) return undefined;
  const found = await sha256Of(part.path, options.signal);
  return found === sha256 ? undefined : `its SHA-256 is ${found}, expected ${sha256}`;
}

/** SHA-256 of a file as 64 lower-case hex digits, read in pieces. Errors: aborted. */
export async function sha256Of(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) {
    throwIfAborted(signal);
    hash.update(chunk as Uint8Array);
  }
  return hash.digest('hex');
}
