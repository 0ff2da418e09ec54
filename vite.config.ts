import { readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
import { playwright } from '@vitest/browser-playwright';
import { CHROMIUM_ARGS, findChromium } from './scripts/chromium.mjs';
import { serviceWorker } from './scripts/service-worker-plugin.mjs';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
// tfjs and comlink are named so that a first test run does not reload the page while it discovers them.
const optimizeDeps = {
  include: [
    '@tensorflow/tfjs',
    '@tensorflow/tfjs-core',
    '@tensorflow/tfjs-backend-cpu',
    '@tensorflow/tfjs-backend-wasm',
    '@tensorflow/tfjs-backend-webgpu',
    'comlink',
    'idb-keyval',
  ],
};

/**
 * Puts the pages' parts together: `<!-- include PATH -->` stands for that file, by its path from the page. A link with
 * `data-page="NAME"` is the current one in the page of that name.
 */
const includes = (): Plugin => ({
  name: 'includes',
  transformIndexHtml: {
    order: 'pre',
    handler: (html, { filename }) =>
      html
        .replaceAll(/<!-- include (\S+) -->/g, (_, path: string) => readFileSync(resolve(dirname(filename), path), 'utf8'))
        .replaceAll(/ data-page="([^"]+)"/g, (_, page: string) => (page === basename(filename) ? ' aria-current="page"' : '')),
  },
});

export default defineConfig({
  root: at('src/demo'),
  plugins: [
    includes(),
    // The library keeps bundles itself.
    serviceWorker({ entry: at('src/service-worker/service-worker.ts'), leaveOut: /^models\/|\.md$|\.map$/ }),
  ],
  publicDir: at('public'),
  cacheDir: at('node_modules/.vite'),
  base: './',
  build: {
    outDir: at('dist/site'),
    emptyOutDir: true,
    target: 'es2022',
    rollupOptions: { input: ['index', 'bench', 'parity'].map((page) => at(`src/demo/${page}.html`)) },
  },
  worker: { format: 'es' },
  optimizeDeps,
  test: {
    projects: [
      {
        extends: true,
        root: at('.'),
        test: { name: 'unit', environment: 'node', include: ['test/unit/**/*.test.ts'] },
      },
      {
        extends: true,
        root: at('.'),
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          testTimeout: 120_000,
          fileParallelism: false,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({
              launchOptions: { chromiumSandbox: true, executablePath: findChromium() ?? '', args: [...CHROMIUM_ARGS] },
            }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
      {
        extends: true,
        root: at('.'),
        test: {
          name: 'e2e',
          environment: 'node',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 240_000,
          hookTimeout: 240_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
