/** A server on 127.0.0.1 for one run of a tool: the built tools page, the bundle, and the photos as bytes in memory. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, extname, join, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

/** The page of the tools; benchmarks bring one of their own. */
const TOOLS_PAGE = fileURLToPath(new URL('../page', import.meta.url));
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.wasm': 'application/wasm',
};

type Bytes = Uint8Array | string;

export interface Host {
  /** Address of the page, with a slash at its end; `bundle/` and `photos/N` lie below it. */
  readonly url: string;
  close(): void;
}

/** The page with its worker, bundled in memory: nothing is written, and two runs do not meet. */
async function buildPage(root: string): Promise<Map<string, Bytes>> {
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

/** A bundle's file, from disk or, for a bundle by URL, through this server so that its host needs no CORS headers. */
async function readBundleFile(manifest: string | URL, name: string): Promise<Bytes | undefined> {
  if (manifest instanceof URL) {
    const response = await fetch(new URL(name, manifest));
    return response.ok ? new Uint8Array(await response.arrayBuffer()) : undefined;
  }
  const folder = dirname(manifest);
  const path = normalize(join(folder, name));
  return path.startsWith(folder + sep) ? await readFile(path) : undefined;
}

export async function startHost(manifest: string | URL, photos: readonly Uint8Array[], pageRoot = TOOLS_PAGE): Promise<Host> {
  const page = await buildPage(pageRoot);
  // Other users of the machine can reach the port, but not guess the path to somebody's photos.
  const base = `/${randomUUID()}/`;

  async function find(path: string): Promise<Bytes | undefined> {
    const [folder, ...rest] = path.split('/');
    if (folder === 'bundle') return await readBundleFile(manifest, rest.join('/'));
    if (folder === 'photos') return photos[Number(rest[0])];
    return page.get(path === '' ? 'index.html' : path);
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
    const found = path.startsWith(base) ? await find(path.slice(base.length)).catch(() => undefined) : undefined;
    const type = TYPES[extname(path) || '.html'] ?? 'application/octet-stream';
    response.writeHead(found === undefined ? 404 : 200, {
      'content-type': path.includes('/photos/') ? 'application/octet-stream' : type,
    });
    response.end(found);
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
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
