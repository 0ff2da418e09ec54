/**
 * A host page's own service worker with Running Stitch in it. It keeps the page and the library's files; the library itself keeps
 * the bundle, so requests for `/models/` are left alone.
 */
// An origin's caches are shared by all that runs on it: only those with this prefix are this worker's.
const PREFIX = 'my-page-';
const VERSION = `${PREFIX}1`;
const LIBRARY = '/vendor/running-stitch/';
const FILES = [
  './',
  'page.js',
  '/photo.jpg',
  // The engine, its worker included.
  `${LIBRARY}running-stitch.iife.js`,
  // Only for browsers without a real GPU: TensorFlow.js and its two binaries, with and without SIMD.
  `${LIBRARY}running-stitch.fallback.js`,
  `${LIBRARY}tfjs-backend-wasm-simd.wasm`,
  `${LIBRARY}tfjs-backend-wasm.wasm`,
];

addEventListener('install', (event) => {
  event.waitUntil(caches.open(VERSION).then((cache) => cache.addAll(FILES)));
});

addEventListener('activate', (event) => {
  const drop = async () => {
    const old = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== VERSION);
    await Promise.all(old.map((name) => caches.delete(name)));
    await clients.claim();
  };
  event.waitUntil(drop());
});

addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || new URL(request.url).pathname.startsWith('/models/')) return;
  event.respondWith(
    (async () => {
      const cache = await caches.open(VERSION);
      return (await cache.match(request, { ignoreSearch: true })) ?? fetch(request);
    })(),
  );
});
