import { brotliCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fetchFile, fetchJson, type FetchFileOptions } from '../../../src/bundle/fetch';
import { sha256Hex } from '../../../src/bundle/hash';
import { errorOf, expectError } from './expect-error';
import { seeded } from './make-bundle';
import { cut, send, stall, startServer, status, type TestServer } from './serve';

const random = seeded(5);
const bytes = Uint8Array.from({ length: 200_000 }, () => random() * 256);
const other = Uint8Array.from(bytes, (value) => value ^ 1);
const HTML = '<!DOCTYPE html><html><body>The app</body></html>';
const retry = { attempts: 3, baseMs: 5, stallMs: 3000 };

let server: TestServer;
let sha256: string;
let deltas: number[];
const options = (more: Partial<FetchFileOptions> = {}): FetchFileOptions => ({
  bytes: bytes.length,
  sha256,
  retry,
  onBytes: (delta) => deltas.push(delta),
  ...more,
});
const get = (more?: Partial<FetchFileOptions>) => fetchFile(`${server.url}shard`, options(more));
/** Vitest's own comparison walks typed arrays element by element, seconds for this many. */
const expectBytes = (found: Uint8Array) => expect(Buffer.compare(found, bytes), 'the bytes served').toBe(0);
const reported = () => deltas.reduce((sum, delta) => sum + delta, 0);
const hits = () => server.hits.get('shard') ?? 0;

beforeEach(async () => {
  server = await startServer();
  sha256 = await sha256Hex(bytes);
  deltas = [];
});
afterEach(async () => {
  vi.unstubAllGlobals();
  await server.close();
});

describe('fetchFile', () => {
  it('brings the bytes and reports each once', async () => {
    server.on('shard', send(bytes));
    expectBytes(await get());
    expect([reported(), hits()]).toEqual([bytes.length, 1]);
    expect(deltas.every((delta) => delta > 0)).toBe(true);
  });

  it('does not trust Content-Length under a content encoding', async () => {
    server.on('shard', send(brotliCompressSync(bytes), { 'content-encoding': 'br' }));
    expectBytes(await get());
    expect(reported()).toBe(bytes.length);
  });

  it.each([
    ['a busy server', status(503)],
    ['a rate limit', status(429, { 'retry-after': '0' })],
    ['a cut connection', cut(bytes)],
  ])('tries again after %s and takes back what it had reported', async (_, failure) => {
    server.on('shard', failure, send(bytes));
    expectBytes(await get());
    expect([reported(), hits()]).toEqual([bytes.length, 2]);
  });

  it('takes a silent transfer for dead', async () => {
    server.on('shard', stall(bytes.subarray(0, 1000)), send(bytes));
    expectBytes(await get({ retry: { ...retry, stallMs: 100 } }));
    expect(deltas).toContain(-1000);
    expect(reported()).toBe(bytes.length);
  });

  it('takes a server that never answers for dead', async () => {
    server.on('shard', () => undefined, send(bytes));
    expectBytes(await get({ retry: { ...retry, stallMs: 100 } }));
    expect(hits()).toBe(2);
  });

  it('gives up after the last try, with the last cause', async () => {
    server.on('shard', status(500), status(502), status(503));
    const error = await expectError(() => get(), 'network', 'failed 3 times', 'answered 503', 'CORS');
    expect([hits(), error.recoverable]).toEqual([3, true]);
  });

  it('says that a server cannot be reached', async () => {
    const { url } = server;
    await server.close();
    await expectError(() => fetchFile(`${url}shard`, options()), 'network', 'failed 3 times', 'Check the connection');
  });

  it.each([
    [404, 'every file of the bundle was uploaded'],
    [403, 'lets this page read'],
  ])('does not try again after %i', async (code, remedy) => {
    server.on('shard', status(code), send(bytes));
    await expectError(() => get(), 'network', `answered ${code}`, remedy);
    expect(hits()).toBe(1);
  });

  it('heals a wrong cached file by one fetch past the cache', async () => {
    const modes: (string | undefined)[] = [];
    const real = globalThis.fetch;
    vi.stubGlobal('fetch', (url: string, init?: RequestInit) => {
      modes.push(init?.cache);
      return real(url, init);
    });
    server.on('shard', send(other), send(bytes));
    expectBytes(await get());
    expect(modes).toEqual(['default', 'reload']);
    expect(reported()).toBe(bytes.length);
  });

  it.each([
    ['wrong bytes', other, /SHA-256 is [0-9a-f]{64}, the manifest says [0-9a-f]{64}/],
    ['too few bytes', bytes.subarray(0, 150_000), '150000 bytes arrived, the manifest says 200000'],
    ['too many bytes', new Uint8Array(bytes.length + 1), 'more than 200000 bytes arrived'],
    ['an empty body', new Uint8Array(), '0 bytes arrived'],
    ['a web page', HTML, 'HTML arrived instead of weights'],
  ])('refuses %s after one more look', async (_, body, message) => {
    server.on('shard', send(body));
    await expectError(() => get(), 'bundle-integrity', message, `${server.url}shard`);
    expect([hits(), reported()]).toEqual([2, 0]);
  });

  it('stops reading an endless answer', async () => {
    let sent = 0;
    server.on('shard', (response) => {
      const chunk = new Uint8Array(65536);
      const more = () => {
        while (!response.destroyed && response.write(chunk)) sent += chunk.length;
      };
      response.on('drain', more);
      more();
    });
    await expectError(() => get(), 'bundle-integrity', 'more than 200000 bytes');
    expect(sent).toBeLessThan(50_000_000);
  });

  it('needs a secure context, and says so before it downloads', async () => {
    vi.stubGlobal('crypto', {});
    server.on('shard', send(bytes));
    await expectError(() => get(), 'unsupported', 'crypto.subtle', 'https', 'localhost');
    expect(hits()).toBe(0);
  });
});

// Retried, because a busy machine may pause any process for longer than the bound.
describe('abort', { retry: 2 }, () => {
  const abortAfter = async (ms: number, more: Partial<FetchFileOptions> = {}) => {
    const controller = new AbortController();
    let abortedAt = 0;
    setTimeout(() => {
      abortedAt = performance.now();
      controller.abort(new Error('navigated away'));
    }, ms);
    const error = await errorOf(() => get({ signal: controller.signal, ...more }));
    return { error, late: performance.now() - abortedAt };
  };

  it.each([
    ['while the server is silent', () => stall(bytes.subarray(0, 1000)), retry],
    ['before the first byte', () => () => undefined, retry],
    ['while waiting to try again', () => status(503), { ...retry, baseMs: 60_000, maxMs: 60_000 }],
    ['while the server asks for patience', () => status(503, { 'retry-after': '60' }), { ...retry, maxMs: 60_000 }],
  ])('is honoured %s', async (_, answer, policy) => {
    server.on('shard', answer());
    const { error, late } = await abortAfter(80, { retry: policy });
    expect(error.code).toBe('aborted');
    expect((error.cause as Error).message).toBe('navigated away');
    expect(late).toBeLessThan(100);
    expect(hits()).toBe(1);
  });

  it('is honoured before anything is asked', async () => {
    server.on('shard', send(bytes));
    await expectError(() => get({ signal: AbortSignal.abort() }), 'aborted');
    expect(hits()).toBe(0);
  });

  it('closes the connection', async () => {
    const closed = new Promise<void>((resolve) => {
      server.on('shard', (response) => {
        response.writeHead(200).write(bytes.subarray(0, 1000));
        response.on('close', resolve);
      });
    });
    await abortAfter(50);
    await closed;
  });
});

describe('fetchJson', () => {
  const read = (limit = 1000) => fetchJson(`${server.url}shard`, { limit, retry });

  it('parses, and gives the address after redirects', async () => {
    server.on('shard', (response) => response.writeHead(302, { location: '/v2/shard' }).end());
    server.on('v2/shard', send('{"a":1}'));
    expect(await read()).toEqual({ json: { a: 1 }, url: `${server.url}v2/shard` });
  });

  it.each([
    ['HTML', HTML, 'HTML arrived instead of JSON'],
    ['other text', 'Not a manifest', 'not JSON'],
    ['half a document', '{"a":', 'not JSON'],
    ['a document beyond the limit', `"${'x'.repeat(2000)}"`, 'longer than 1000 bytes'],
  ])('refuses %s', async (_, body, message) => {
    server.on('shard', send(body));
    await expectError(() => read(), 'bundle-invalid', message, `${server.url}shard`);
  });

  it('names a missing manifest', async () => {
    await expectError(() => read(), 'network', 'answered 404', 'check the address');
  });
});
