/** A static server for one test: files by path, and headers as a real site would set them. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.wasm': 'application/wasm',
  '.jpg': 'image/jpeg',
  '.webm': 'video/webm',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};

export interface ServeOptions {
  /** Folders by the path they appear under, first match wins; `/` is the root. */
  readonly folders: Readonly<Record<string, string>>;
  /** Set on every answer. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Sends pages on to their name without `.html`, as some hosts do. */
  readonly withoutEndings?: boolean;
  /** The last word on a text file, by its path. */
  readonly edit?: (path: string, text: string) => string;
}

export interface Server {
  /** Without a slash at its end. */
  readonly origin: string;
  /** Paths asked for so far. */
  readonly asked: string[];
  close(): Promise<void>;
}

export async function serve({ folders, headers = {}, edit, withoutEndings = false }: ServeOptions): Promise<Server> {
  const asked: string[] = [];
  const find = async (path: string): Promise<Uint8Array | undefined> => {
    for (const [prefix, folder] of Object.entries(folders)) {
      if (!path.startsWith(prefix)) continue;
      const bytes = await readFile(join(folder, normalize(path.slice(prefix.length)))).catch(() => undefined);
      if (bytes !== undefined) return bytes;
    }
    return undefined;
  };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (withoutEndings && pathname.endsWith('.html')) {
      const location = pathname.replace(/(?:(?<=\/)index)?\.html$/, '');
      return response.writeHead(301, { ...headers, location }).end();
    }
    const page = withoutEndings && extname(pathname) === '' ? `${pathname}.html` : pathname;
    const path = pathname.endsWith('/') ? `${pathname}index.html` : page;
    // Browsers ask by themselves.
    if (path === '/favicon.ico') return response.writeHead(204, headers).end();
    asked.push(path);
    return void find(path).then((bytes) => {
      if (bytes === undefined) return response.writeHead(404, headers).end();
      const type = TYPES[extname(path)] ?? 'application/octet-stream';
      const text = edit !== undefined && type.startsWith('text');
      return response
        .writeHead(200, { 'content-type': type, ...headers })
        .end(text ? edit(path, Buffer.from(bytes).toString('utf8')) : bytes);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
