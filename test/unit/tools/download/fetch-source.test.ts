/** Downloads against a server that stalls, truncates, ignores Range and changes its file; what is left on disk in each case. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { fetchSource, type FetchOptions } from '../../../../src/tools/download/fetch-source';
import { errorOf, expectError } from '../../bundle/expect-error';
import { scratch } from '../import/paths';

type Handler = (request: IncomingMessage, response: ServerResponse, hit: number) => void;

const CONTENT = Buffer.from(Uint8Array.from({ length: 100_000 }, (_, n) => (n * 7919) >> 5));
const OTHER = Buffer.from(Uint8Array.from({ length: 90_000 }, (_, n) => (n * 104729) >> 7));
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const FAST = { attempts: 3, baseMs: 5, stallMs: 10_000 };
const SHORT = { ...FAST, stallMs: 150 };

let base = '';
let handler: Handler;
const requests: { url: string; range: string | undefined; ifRange: string | undefined }[] = [];
const server = createServer((request, response) => {
  const { url = '', headers } = request;
  requests.push({ url, range: headers.range, ifRange: headers['if-range'] as string | undefined });
  handler(request, response, requests.filter((one) => one.url === url).length);
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => void (requests.length = 0));

/** A right answer: honours Range under a matching If-Range; `limit` bytes, then `end`. */
function serve(
  bytes: Buffer,
  etag: string | undefined,
  request: IncomingMessage,
  response: ServerResponse,
  limit = Infinity,
  end: 'cut' | 'stall' = 'cut',
) {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? Number.NaN);
  const ranged = !Number.isNaN(start) && request.headers['if-range'] === etag;
  const tag: Record<string, string> = etag === undefined ? {} : { etag };
  if (ranged && start >= bytes.length)
    return void response.writeHead(416, { ...tag, 'content-range': `bytes */${bytes.length}` }).end();
  const body = ranged ? bytes.subarray(start) : bytes;
  const range: Record<string, string> = ranged ? { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {};
  response.writeHead(ranged ? 206 : 200, { ...tag, ...range, 'content-length': String(body.length) });
  if (limit >= body.length) return void response.end(body);
  response.write(body.subarray(0, limit), () => end === 'cut' && setTimeout(() => response.destroy(), 100));
}

const fetchIt = (folder: string, options: FetchOptions = {}) =>
  fetchSource(`${base}/w.safetensors`, folder, { patience: FAST, ...options });
/** Every file below a folder, by its name. */
const filesIn = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((one) => (one.isFile() ? [one.name] : []))
    : [];

describe('a download', () => {
  test('arrives, is named, reports its progress, and is not repeated', async () => {
    handler = (request, response) => serve(CONTENT, '"a"', request, response);
    const folder = scratch();
    const seen: number[] = [];
    const { path, label } = await fetchIt(folder, {
      onProgress: ({ bytes, total, file }) => seen.push(total === 100_000 && file === 'w.safetensors' ? bytes : -1),
    });
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
    expect(label).toBe(`${base}/w.safetensors`);
    expect(filesIn(folder)).toEqual(['w.safetensors']);
    expect([seen[0], seen.at(-1)]).toEqual([0, 100_000]);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    const cached: string[] = [];
    await fetchIt(folder, { onCached: (file) => cached.push(file) });
    expect([requests.length, cached]).toEqual([1, [path]]);
  });

  test('is repeated where that is asked for, and the old file stays until the new one is whole', async () => {
    handler = (request, response) => serve(CONTENT, '"a"', request, response);
    const folder = scratch();
    const { path } = await fetchIt(folder);
    handler = (_request, response) => void response.writeHead(403).end();
    await errorOf(() => fetchIt(folder, { refresh: true }));
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
    handler = (request, response) => serve(OTHER, '"b"', request, response);
    const cached: string[] = [];
    await fetchIt(folder, { refresh: true, onCached: (file) => cached.push(file) });
    expect(readFileSync(path).equals(OTHER)).toBe(true);
    expect(cached).toEqual([]);
    expect(filesIn(folder)).toEqual(['w.safetensors']);
  });

  test('cut off three times goes on where it was, under the same ETag', async () => {
    handler = (request, response, hit) => serve(CONTENT, '"a"', request, response, hit < 4 ? 30_000 : Infinity);
    const { path } = await fetchIt(scratch(), { sha256: sha256(CONTENT) });
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
    expect(requests.map(({ range }) => range)).toEqual([undefined, 'bytes=30000-', 'bytes=60000-', 'bytes=90000-']);
    expect(requests.slice(1).map(({ ifRange }) => ifRange)).toEqual(['"a"', '"a"', '"a"']);
  });

  test('stalled is dropped and goes on', async () => {
    handler = (request, response, hit) => serve(CONTENT, '"a"', request, response, hit === 1 ? 30_000 : Infinity, 'stall');
    const { path } = await fetchIt(scratch(), { patience: SHORT });
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
    expect(requests[1]!.range).toBe('bytes=30000-');
  });

  test('that never begins ends in an error, after as many tries as were allowed', async () => {
    handler = () => {};
    await expectError(() => fetchIt(scratch(), { patience: SHORT }), 'network', /no byte arrived for 0\.15 s/, /Run it again/);
    expect(requests.length).toBe(3);
  });

  test('from a server that ignores Range starts from zero and is whole', async () => {
    handler = (request, response, hit) => {
      delete request.headers.range;
      serve(CONTENT, '"a"', request, response, hit === 1 ? 30_000 : Infinity);
    };
    const { path } = await fetchIt(scratch());
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
    expect(requests.map(({ range }) => range)).toEqual([undefined, 'bytes=30000-']);
  });

  test('whose file changes on the way is the new file, whole', async () => {
    handler = (request, response, hit) =>
      hit === 1 ? serve(CONTENT, '"a"', request, response, 30_000) : serve(OTHER, '"b"', request, response);
    const folder = scratch();
    const { path } = await fetchIt(folder);
    expect(readFileSync(path).equals(OTHER)).toBe(true);
    expect(filesIn(folder)).toEqual(['w.safetensors']);
  });

  test('from a server that sends a range of another file, or another range, starts anew', async () => {
    for (const lie of [{ etag: '"b"' }, { 'content-range': 'bytes 5-99999/100000' }]) {
      requests.length = 0;
      handler = (request, response, hit) => {
        if (hit !== 2) return serve(CONTENT, '"a"', request, response, hit === 1 ? 30_000 : Infinity);
        const headers = { etag: '"a"', 'content-range': 'bytes 30000-99999/100000', ...lie };
        response.writeHead(206, headers).end(OTHER.subarray(0, 70_000));
      };
      const { path } = await fetchIt(scratch());
      expect(readFileSync(path).equals(CONTENT)).toBe(true);
      expect(requests.map(({ range }) => range)).toEqual([undefined, 'bytes=30000-', undefined]);
    }
  });

  test('without an ETag, or with a weak one, is never pieced together', async () => {
    for (const etag of [undefined, 'W/"a"']) {
      requests.length = 0;
      handler = (request, response, hit) => serve(CONTENT, etag, request, response, hit === 1 ? 30_000 : Infinity);
      const { path } = await fetchIt(scratch());
      expect(readFileSync(path).equals(CONTENT)).toBe(true);
      expect(requests.map(({ range }) => range)).toEqual([undefined, undefined]);
    }
  });

  test('survives a server that is busy for a moment, and not one that refuses', async () => {
    handler = (request, response, hit) =>
      hit < 3 ? void response.writeHead(503, { 'retry-after': '0' }).end() : serve(CONTENT, '"a"', request, response);
    await fetchIt(scratch());
    expect(requests.length).toBe(3);
    for (const [code, part] of [
      [404, /answered 404/],
      [403, /private, gated/],
      [418, /answered 418/],
    ] as const) {
      requests.length = 0;
      handler = (_request, response) => void response.writeHead(code).end();
      await expectError(() => fetchIt(scratch()), 'network', part);
      expect(requests.length).toBe(1);
    }
  });

  test('of a web page is refused', async () => {
    handler = (_request, response) =>
      void response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<html>');
    const folder = scratch();
    await expectError(() => fetchIt(folder), 'network', /a web page came/);
    expect(filesIn(folder)).toEqual([]);
  });
});

describe('what is verified', () => {
  test('a wrong hash or size leaves nothing', async () => {
    handler = (request, response) => serve(CONTENT, '"a"', request, response);
    const folder = scratch();
    await expectError(
      () => fetchIt(folder, { sha256: '0'.repeat(64) }),
      'bundle-integrity',
      /its SHA-256 is [0-9a-f]{64}, expected 0{64}/,
    );
    expect(filesIn(folder)).toEqual([]);
    await expectError(() => fetchIt(folder, { bytes: 99_999 }), 'bundle-integrity', /100000 bytes arrived, expected 99999/);
    expect(filesIn(folder)).toEqual([]);
  });

  test('a file in the cache that has another hash is fetched again', async () => {
    handler = (request, response) => serve(CONTENT, '"a"', request, response);
    const folder = scratch();
    const { path } = await fetchIt(folder);
    writeFileSync(path, OTHER);
    await fetchIt(folder, { sha256: sha256(CONTENT) });
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
  });

  test('a resumed file whose beginning was damaged does not pass its hash', async () => {
    handler = (request, response, hit) => serve(CONTENT, '"a"', request, response, hit === 1 ? 30_000 : Infinity, 'stall');
    const folder = scratch();
    const stop = new AbortController();
    await errorOf(() => fetchIt(folder, { signal: stop.signal, onProgress: ({ bytes }) => bytes === 30_000 && stop.abort() }));
    const part = join(
      readdirSync(folder, { recursive: true, withFileTypes: true }).find((one) => one.isFile())!.parentPath,
      filesIn(folder)[0]!,
    );
    writeFileSync(part, OTHER.subarray(0, 30_000));
    await expectError(() => fetchIt(folder, { sha256: sha256(CONTENT) }), 'bundle-integrity', /its SHA-256 is/);
    expect(filesIn(folder)).toEqual([]);
  });
});

describe('interrupted', () => {
  test('only the part is left, and a later run goes on with it', async () => {
    handler = (request, response, hit) => serve(CONTENT, '"a"', request, response, hit === 1 ? 30_000 : Infinity, 'stall');
    const folder = scratch();
    const stop = new AbortController();
    const run = fetchIt(folder, {
      signal: stop.signal,
      onProgress: ({ bytes }) => bytes === 30_000 && stop.abort(),
    });
    await expectError(() => run, 'aborted');
    const left = filesIn(folder);
    expect(left.length).toBe(1);
    expect(left[0]).toMatch(/^w\.safetensors\..*part$/);
    const { path } = await fetchIt(folder);
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
    expect(requests[1]!.range).toBe('bytes=30000-');
    expect(filesIn(folder)).toEqual(['w.safetensors']);
  });

  test('before it began, nothing is asked for', async () => {
    handler = (request, response) => serve(CONTENT, '"a"', request, response);
    await expectError(() => fetchIt(scratch(), { signal: AbortSignal.abort() }), 'aborted');
    expect(requests.length).toBe(0);
  });

  test('a part that is already whole is only verified', async () => {
    handler = (request, response) => serve(CONTENT, '"a"', request, response);
    const folder = scratch();
    const { path } = await fetchIt(folder);
    const part = `${path}.${Buffer.from('"a"').toString('base64url')}.part`;
    writeFileSync(part, readFileSync(path));
    writeFileSync(path, 'x');
    await fetchIt(folder, { sha256: sha256(CONTENT) });
    expect(requests.at(-1)!.range).toBe('bytes=100000-');
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
    expect(filesIn(folder)).toEqual(['w.safetensors']);
  });
});

describe('Hugging Face', () => {
  const repository =
    (files: Readonly<Record<string, Buffer>>): Handler =>
    (request, response) => {
      const bytes = files[(request.url ?? '').replace('/owner/name/resolve/', '')];
      if (bytes === undefined) return void response.writeHead(404).end();
      serve(bytes, `"${sha256(bytes)}"`, request, response);
    };
  const get = (text: string, folder: string, options: FetchOptions = {}) =>
    fetchSource(text, folder, { hfBase: base, patience: FAST, ...options });

  test('takes model.safetensors of the revision, and its config', async () => {
    handler = repository({
      'v1.0/model.safetensors': CONTENT,
      'v1.0/config.json': Buffer.from('{}'),
      'main/model.safetensors': OTHER,
    });
    const folder = scratch();
    const { path, label } = await get('hf:owner/name@v1.0', folder);
    expect([label, readFileSync(path).equals(CONTENT)]).toEqual(['hf:owner/name@v1.0', true]);
    expect(filesIn(folder).sort()).toEqual(['config.json', 'model.safetensors', 'preprocessor_config.json.absent']);
    expect(readFileSync((await get('hf:owner/name', folder)).path).equals(OTHER)).toBe(true);
  });

  test('takes what says how photos are prepared, and asks once where there is no such file', async () => {
    const files = { 'main/model.safetensors': CONTENT, 'main/preprocessor_config.json': Buffer.from('{"resample":2}') };
    handler = repository(files);
    const folder = scratch();
    const { path } = await get('hf:owner/name', folder);
    const beside = join(path, '..', 'preprocessor_config.json');
    expect(readFileSync(beside, 'utf8')).toBe('{"resample":2}');
    const asked = requests.length;
    const cached: string[] = [];
    await get('hf:owner/name', folder, { onCached: (file) => cached.push(file) });
    expect([requests.length, cached]).toEqual([asked, [path]]);
    // It went away, and came back.
    handler = repository({ 'main/model.safetensors': CONTENT });
    await get('hf:owner/name', folder, { refresh: true });
    expect(existsSync(beside)).toBe(false);
    handler = repository(files);
    await get('hf:owner/name', folder, { refresh: true });
    expect(filesIn(folder).sort()).toEqual(['config.json.absent', 'model.safetensors', 'preprocessor_config.json']);
  });

  test('takes one SHA-256 for one file only', async () => {
    const index = { weight_map: { a: 'model-1.safetensors' } };
    handler = repository({
      'main/model.safetensors.index.json': Buffer.from(JSON.stringify(index)),
      'main/model-1.safetensors': CONTENT,
    });
    const work = () => get('hf:owner/name', scratch(), { sha256: sha256(CONTENT) });
    await expectError(work, 'argument-invalid', /hf:owner\/name is sharded/);
    expect(requests.some(({ url }) => url.endsWith('/model-1.safetensors'))).toBe(false);
  });

  test('takes the index and every shard it names', async () => {
    const index = { weight_map: { a: 'model-1.safetensors', b: 'model-2.safetensors', c: 'model-1.safetensors' } };
    handler = repository({
      'main/model.safetensors.index.json': Buffer.from(JSON.stringify(index)),
      'main/model-1.safetensors': CONTENT,
      'main/model-2.safetensors': OTHER,
    });
    const folder = scratch();
    const { path } = await get('hf:owner/name', folder);
    expect(path.endsWith('model.safetensors.index.json')).toBe(true);
    const found = filesIn(folder).filter((name) => !name.endsWith('.absent'));
    expect(found.sort()).toEqual(['model-1.safetensors', 'model-2.safetensors', 'model.safetensors.index.json']);
  });

  test('takes no shard from elsewhere', async () => {
    handler = repository({ 'main/model.safetensors.index.json': Buffer.from('{"weight_map":{"a":"../../x"}}') });
    await expectError(() => get('hf:owner/name', scratch()), 'bundle-invalid', /names the file "\.\.\/\.\.\/x"/);
  });

  test('takes pytorch_model.bin where there is nothing better, and says what it looked for', async () => {
    handler = repository({ 'main/pytorch_model.bin': CONTENT });
    expect((await get('hf:owner/name', scratch())).path).toMatch(/pytorch_model\.bin$/);
    handler = repository({});
    await expectError(() => get('hf:owner/name', scratch()), 'network', /hf:owner\/name has none of model\.safetensors, /);
  });

  test('checks the SHA-256 that the redirect to the store announces', async () => {
    const redirect =
      (hash: string): Handler =>
      (request, response) => {
        if (request.url === '/store') return serve(CONTENT, '"s"', request, response);
        if (request.url?.endsWith('/model.safetensors') !== true) return void response.writeHead(404).end();
        response.writeHead(302, { location: '/store', 'x-linked-etag': `"${hash}"` }).end();
      };
    handler = redirect(sha256(CONTENT));
    expect(readFileSync((await get('hf:owner/name', scratch())).path).equals(CONTENT)).toBe(true);
    handler = redirect(sha256(OTHER));
    await expectError(() => get('hf:owner/name', scratch()), 'bundle-integrity', /its SHA-256 is/);
  });
});

describe('names of sources', () => {
  test.each([
    ['hf:owner', /write hf:owner\/name/i],
    ['hf:owner/name@', /no Hugging Face model/],
    ['hf:../name', /no Hugging Face model/],
    ['hf:owner/name@a/../b', /no Hugging Face model/],
    ['http://example.org/w.pth', /over https/],
    ['ftp://example.org/w.pth', /over https/],
    ['/no/such/file', /there is no such file/],
  ])('%s', async (text, part) => {
    await expectError(() => fetchSource(text, scratch()), 'argument-invalid', part);
  });

  test('a redirect from the given server to plain http elsewhere is not followed', async () => {
    handler = (_request, response) => void response.writeHead(302, { location: 'http://example.org/w' }).end();
    await expectError(() => fetchIt(scratch()), 'argument-invalid', /http:\/\/example\.org\/w is not fetched/);
  });

  test('redirects in a circle end', async () => {
    handler = (_request, response) => void response.writeHead(302, { location: '/w.safetensors' }).end();
    await expectError(() => fetchIt(scratch()), 'network', /more than 8 redirects/);
  });

  test('a local file or folder is taken as it is, labelled by its name', async () => {
    const folder = join(scratch(), 'weights');
    mkdirSync(folder);
    expect(await fetchSource(folder, 'nowhere')).toEqual({ path: folder, label: 'weights' });
  });

  test('a local file has the SHA-256 that is asked for', async () => {
    const folder = scratch();
    const file = join(folder, 'model.safetensors');
    writeFileSync(file, CONTENT);
    const right = sha256(CONTENT);
    expect((await fetchSource(file, 'nowhere', { sha256: right })).path).toBe(file);
    expect((await fetchSource(folder, 'nowhere', { sha256: right })).path).toBe(folder);
    for (const path of [file, folder]) {
      const work = () => fetchSource(path, 'nowhere', { sha256: sha256(OTHER) });
      await expectError(work, 'bundle-integrity', /model\.safetensors: its SHA-256 is/);
    }
    const index = join(scratch(), 'model.safetensors.index.json');
    writeFileSync(index, '{}');
    await expectError(() => fetchSource(index, 'nowhere', { sha256: right }), 'argument-invalid', /is sharded/);
  });
});
