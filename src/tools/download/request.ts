/** One HTTP request of a download: redirects followed by hand, statuses judged, silence noticed. */
import { StitchError } from '../../core/errors';
import { checkUrl } from './spec';

/** What another try may cure. */
export class TransientError extends Error {
  readonly retryAfterMs: number | undefined;
  constructor(message: string, retryAfterMs?: number, cause?: unknown) {
    super(message, { cause });
    this.retryAfterMs = retryAfterMs;
  }
}

/** The file is not there; a caller may know another. */
export class MissingError extends StitchError {}

export interface Answer {
  readonly response: Response;
  /** 200 sends everything, 206 the rest, 416 says that there is no rest. */
  readonly status: 200 | 206 | 416;
  /** Of the whole file, where the server says so. */
  readonly total: number | undefined;
  /** First byte of a 206. */
  readonly start: number;
  readonly etag: string | undefined;
  /** SHA-256 that Hugging Face gives for large files. */
  readonly linkedHash: string | undefined;
}

const MAX_REDIRECTS = 8;

/** GET with headers. Errors: TransientError, network (MissingError for 404), argument-invalid for a redirect off https. */
export async function request(first: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Answer> {
  let url = first;
  let linkedHash: string | undefined;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    // identity: with an encoding, sizes and ranges would count other bytes than those that are stored.
    const sent = { 'accept-encoding': 'identity', ...headers };
    const response = await fetch(url, { headers: sent, signal, redirect: 'manual' });
    const linked = response.headers.get('x-linked-etag')?.replaceAll('"', '');
    if (linked !== undefined && /^[0-9a-f]{64}$/.test(linked)) linkedHash = linked;
    const location = response.headers.get('location');
    if (response.status < 300 || response.status > 308 || location === null) return judge(response, first, linkedHash);
    await response.body?.cancel();
    url = checkUrl(location, url);
  }
  throw new StitchError('network', `${first.href}: more than ${MAX_REDIRECTS} redirects. Check the address.`, {
    url: first.href,
  });
}

function judge(response: Response, url: URL, linkedHash: string | undefined): Answer {
  const { status, headers } = response;
  const fail = (remedy: string): never => {
    throw new StitchError('network', `${url.href}: the server answered ${status}. ${remedy}`, { url: url.href, status });
  };
  if (status >= 500 || status === 429 || status === 408) {
    const seconds = Number(headers.get('retry-after') ?? Number.NaN);
    throw new TransientError(`the server answered ${status}`, Number.isFinite(seconds) ? seconds * 1000 : undefined);
  }
  if (status === 404 || status === 410) {
    throw new MissingError('network', `${url.href}: the server answered ${status}. Check the address.`, {
      url: url.href,
      status,
    });
  }
  if (status === 401 || status === 403)
    return fail('It is private, gated or not there: download it by hand and give the path of the file.');
  if (status !== 200 && status !== 206 && status !== 416) return fail('Check the address.');
  if (status === 200 && (headers.get('content-type') ?? '').startsWith('text/html')) {
    throw new StitchError('network', `${url.href}: a web page came instead of a file. Give the address of the file itself.`, {
      url: url.href,
    });
  }
  const encoded = (headers.get('content-encoding') ?? 'identity') !== 'identity';
  const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
  const length = encoded ? null : headers.get('content-length');
  const total = status === 200 ? length : range?.[2];
  return {
    response,
    status,
    total: total === null || total === undefined || total === '*' ? undefined : Number(total),
    start: range?.[1] === undefined ? Number.NaN : Number(range[1]),
    etag: encoded ? undefined : (headers.get('etag') ?? undefined),
    linkedHash,
  };
}
