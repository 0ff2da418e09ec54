/** A server on 127.0.0.1 for one run of a tool: the built tools page, the bundle, and the photos, each read when asked for. */
import { randomUUID } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, extname, join, normalize, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The page of the tools; benchmarks bring one of their own. */
const TOOLS_PAGE = fileURLToPath(new URL(/* @vite-ignore */ '../page', import.meta.url));
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.wasm': 'application/wasm',
};

type Bytes = Uint8Array | string;

/** The host of a bundle by URL does not answer, or not with the file. */
class UpstreamError extends Error {}

export interface Host {
  /** Address of the page, with a slash at its end; `bundle/` and `photos/N` lie below it. */
  readonly url: string;
  /** How a bundle's own host failed last, which the page cannot know; undefined: it did not. */
  upstreamFailure(): string | undefined;
  close(): void;
}

/** The page as the package brings it. */
async function readPage(root: string): Promise<Map<string, Bytes>> {
  const entries = (await readdir(root, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath, entry.name));
  return new Map(
    await Promise.all(
      paths.map(async (path) => [relative(root, path).split(sep).join('/'), new Uint8Array(await readFile(path))] as const),
    ),
  );
}

/** From sources: the page with its worker, bundled in memory. Nothing is written, and two runs do not meet. */
async function buildPage(root: string): Promise<Map<string, Bytes>> {
  if (await stat(join(root, 'assets')).catch(() => undefined)) return readPage(root);
  const { build } = await import('vite');
  const built = await build({
    configFile: false,
    root,
    base: './',
    publicDir: false,
    logLevel: 'error',
    worker: { format: 'es' },
    build: { write: false, minify: false, target: 'es2022', reportCompressedSize: false, chunkSizeWarningLimit: 10_000 },
  });
  const outputs = Array.isArray(built) ? built : [built];
  const files = outputs.flatMap((one) => ('output' in one ? one.output : []));
  return new Map(files.map((file) => [file.fileName, file.type === 'chunk' ? file.code : file.source]));
}

/** The file's bytes; undefined where there is none or it is not readable. */
async function readLocal(path: string): Promise<Bytes | undefined> {
  return await readFile(path).catch(() => undefined);
}

/** A file of a bundle by URL; undefined where it is not below the manifest's folder. Errors: UpstreamError. */
async function fetchUpstream(manifest: URL, name: string): Promise<Bytes | undefined> {
  if (!URL.canParse(name, manifest)) return undefined;
  const url = new URL(name, manifest);
  if (!url.href.startsWith(new URL('.', manifest).href)) return undefined;
  // A signed address is valid only with its query; what the manifest names lies beside it and has none.
  if (url.pathname === manifest.pathname) url.search = manifest.search;
  const place = url.origin + url.pathname;
  try {
    const response = await fetch(url);
    if (response.ok) return new Uint8Array(await response.arrayBuffer());
    throw new UpstreamError(`${place} was answered with ${response.status} ${response.statusText}`.trimEnd());
  } catch (error) {
    if (error instanceof UpstreamError) throw error;
    // fetch keeps the reason in its cause, which for several refused addresses has a code and no message.
    const { message, code } = ((error as Error).cause ?? error) as NodeJS.ErrnoException;
    throw new UpstreamError(`${place} could not be fetched: ${message || code}`, { cause: error });
  }
}

/** A bundle's file, from disk or, for a bundle by URL, through this server so that its host needs no CORS headers. */
async function readBundleFile(manifest: string | URL, name: string): Promise<Bytes | undefined> {
  if (manifest instanceof URL) return await fetchUpstream(manifest, name);
  const folder = dirname(manifest);
  const path = normalize(join(folder, name));
  return path.startsWith(folder + sep) ? await readLocal(path) : undefined;
}

/** `photos` are paths. */
export async function startHost(manifest: string | URL, photos: readonly string[], pageRoot = TOOLS_PAGE): Promise<Host> {
  const page = await buildPage(pageRoot);
  // Other users of the machine can reach the port, but not guess the path to somebody's photos.
  const base = `/${randomUUID()}/`;
  let failure: string | undefined;

  async function find(path: string): Promise<Bytes | undefined> {
    const [folder, ...rest] = path.split('/');
    if (folder === 'bundle') return await readBundleFile(manifest, rest.join('/'));
    if (folder === 'photos') {
      const photo = photos[Number(rest[0])];
      return photo === undefined ? undefined : await readLocal(photo);
    }
    return page.get(path === '' ? 'index.html' : path);
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
    const text = (status: number, body: string) =>
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(body);
    try {
      const found = path.startsWith(base) ? await find(path.slice(base.length)) : undefined;
      if (found === undefined) return void text(404, 'There is no such file.');
      const type = TYPES[extname(path) || '.html'] ?? 'application/octet-stream';
      response.writeHead(200, { 'content-type': path.includes('/photos/') ? 'application/octet-stream' : type });
      response.end(found);
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      failure = error.message;
      text(502, failure);
    }
  }

  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${base}`,
    upstreamFailure: () => failure,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
