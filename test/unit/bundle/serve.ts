/** A local HTTP server whose answers a test scripts, path by path and request by request. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Answer = (response: ServerResponse, request: IncomingMessage) => void;

export interface TestServer {
  /** Ends with a slash. */
  readonly url: string;
  /** Requests so far, by path without the leading slash. */
  readonly hits: Map<string, number>;
  /** The n-th request of `path` gets the n-th answer; the last one goes on. */
  on(path: string, ...answers: Answer[]): void;
  files(files: ReadonlyMap<string, Uint8Array>): void;
  close(): Promise<void>;
}

export const send =
  (bytes: Uint8Array | string, headers: Record<string, string> = {}): Answer =>
  (response) => {
    response.writeHead(200, headers).end(bytes);
  };
export const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (response) => {
    response.writeHead(code, headers).end('no');
  };
/** Announces everything, sends `bytes`, and then keeps silent. */
export const stall =
  (bytes: Uint8Array): Answer =>
  (response) => {
    response.writeHead(200);
    response.write(bytes);
  };
/** Announces `bytes.length`, sends half and cuts the connection. */
export const cut =
  (bytes: Uint8Array): Answer =>
  (response) => {
    response.writeHead(200, { 'content-length': String(bytes.length) });
    response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy());
  };

export async function startServer(): Promise<TestServer> {
  const routes = new Map<string, Answer[]>();
  const hits = new Map<string, number>();
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').slice(1);
    const hit = hits.get(path) ?? 0;
    hits.set(path, hit + 1);
    const answers = routes.get(path);
    const answer = answers?.[Math.min(hit, answers.length - 1)] ?? status(404);
    answer(response, request);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    hits,
    on: (path, ...answers) => void routes.set(path, answers),
    files: (files) => {
      for (const [path, bytes] of files) routes.set(path, [send(bytes)]);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
