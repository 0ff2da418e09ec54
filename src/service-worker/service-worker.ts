/**
 * The demo's service worker: the page opens without network. It keeps the app's own files, as one version that is changed as a
 * whole, and nothing else: manifests and weights are kept by the library, so that no byte is stored twice.
 *
 * A new version waits until the user agrees; two versions never mix in one page.
 */
import { partOf } from './range';

interface Precache {
  /** Changes with any byte of any file. */
  readonly version: string;
  /** Relative to this script, pages first. */
  readonly files: readonly string[];
}

/** The parts of ServiceWorkerGlobalScope that are used; TypeScript's DOM library has none of it. */
interface Scope {
  readonly registration: { readonly scope: string };
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: 'install' | 'activate', listener: (event: ExtendableEvent) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchEvent) => void): void;
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void;
}
interface ExtendableEvent {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}

/** Put here by the build (scripts/service-worker-plugin.mjs). */
declare const RUNNING_STITCH_PRECACHE: Precache;

const worker = globalThis as unknown as Scope;
const { version, files } = RUNNING_STITCH_PRECACHE;
const { scope } = worker.registration;
/** Caches are shared by everything on the origin, so the name says whose it is. */
const prefix = `running-stitch-shell:${scope}:`;
const cacheName = prefix + version;
const urlOf = (file: string): string => new URL(file, scope).href;
const shell = new Set(files.map(urlOf));

worker.addEventListener('install', (event) => event.waitUntil(install()));
worker.addEventListener('activate', (event) => event.waitUntil(activate()));
worker.addEventListener('message', ({ data }) => {
  if (data === 'skip waiting') void worker.skipWaiting();
});
worker.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || !request.url.startsWith(scope)) return;
  const url = pageOf(request);
  if (shell.has(url)) event.respondWith(fromShell(url, request));
  else if (request.mode === 'navigate') event.respondWith(fetch(request).catch(() => toStart(request)));
});

/** The file behind an address: without query and hash, `index.html` for a folder, and a page's name without its ending. */
function pageOf(request: Request): string {
  const url = new URL(request.url);
  const address = url.origin + url.pathname;
  if (request.mode !== 'navigate' || shell.has(address)) return address;
  return address.endsWith('/') ? `${address}index.html` : `${address}.html`;
}

/** All files or none: a version with a hole is no version. What has its hash in its name is taken over from the last one. */
async function install(): Promise<void> {
  // After a rollback it may be the cache of the version in use.
  const found = await caches.has(cacheName);
  const cache = await caches.open(cacheName);
  try {
    await Promise.all(
      files.map(async (file) => {
        const url = urlOf(file);
        const kept = file.startsWith('assets/') ? await caches.match(url) : undefined;
        const response = kept ?? (await fetch(url, { cache: 'no-cache' }));
        if (!response.ok) throw new Error(`${url}: the server answered ${response.status}`);
        // Some hosts send a page on to its name without ending; what was redirected may not answer a navigation.
        await cache.put(url, response.redirected ? new Response(response.body, { headers: response.headers }) : response);
      }),
    );
  } catch (error) {
    if (!found) await caches.delete(cacheName);
    throw error;
  }
}

async function activate(): Promise<void> {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(prefix) && name !== cacheName).map((name) => caches.delete(name)));
  await worker.clients.claim();
}

/** A page names its files relative to itself, so the start page must stand at its own address. */
const toStart = ({ url }: Request): Response => Response.redirect(urlOf('index.html') + new URL(url).search);

async function fromShell(url: string, request: Request): Promise<Response> {
  const cache = await caches.open(cacheName);
  const kept = await cache.match(url);
  // The browser may have dropped it for want of room.
  if (kept === undefined) return fetch(request);
  const range = request.headers.get('range');
  return range === null ? kept : partOf(kept, range);
}
