import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { playwright } from '@vitest/browser-playwright';
import { CHROMIUM_ARGS, findChromium } from './scripts/chromium.mjs';

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

export default defineConfig({
  root: at('src/demo'),
  publicDir: at('public'),
  cacheDir: at('node_modules/.vite'),
  base: './',
  build: {
    outDir: at('dist/site'),
    emptyOutDir: true,
    target: 'es2022',
    rollupOptions: { input: [at('src/demo/index.html')] },
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
