/** The page with its workers, the peers' own files and the networks, on 127.0.0.1, cross-origin isolated for threads. */
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { build, preview, type InlineConfig } from 'vite';
import { HERE } from './install';

const ISOLATED = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cache-Control': 'no-store',
};

export interface Site {
  /** With a slash at its end. */
  readonly url: string;
  close(): Promise<void>;
}

/** Builds into `folder` and serves it, with whatever else lies there. */
export async function startSite(folder: string): Promise<Site> {
  const common: InlineConfig = { configFile: false, publicDir: false, logLevel: 'error', base: './' };
  const output = { outDir: folder, emptyOutDir: false, target: 'es2022', minify: true, chunkSizeWarningLimit: 10_000 } as const;
  await build({ ...common, root: join(HERE, 'page'), worker: { format: 'es' }, build: output });
  const litert = { input: join(HERE, 'workers/litert.ts'), output: { format: 'iife', entryFileNames: 'litert.js' } } as const;
  await build({ ...common, root: HERE, build: { ...output, rollupOptions: litert } });
  const packages = join(HERE, 'node_modules');
  const ort = join(packages, 'onnxruntime-web/dist');
  // The two entries that the worker imports, and the binaries that those ask for.
  copy(ort, join(folder, 'vendor/ort'), (file) => /^ort-wasm.*\.(?:mjs|wasm)$|^ort\.(?:wasm|webgpu)\.min\.mjs$/.test(file));
  copy(join(packages, '@litertjs/core/wasm'), folder);
  const tfjs = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'));
  copy(tfjs, join(folder, 'vendor/tfjs-wasm'), (file) => file.endsWith('.wasm'));
  const server = await preview({
    ...common,
    root: folder,
    // A file that is not there is a 404, not the page.
    appType: 'mpa',
    build: { outDir: '.' },
    preview: { host: '127.0.0.1', port: 0, headers: ISOLATED },
  });
  const url = server.resolvedUrls?.local[0];
  if (url === undefined) throw new Error('The server has no address.');
  return { url, close: () => server.close() };
}

function copy(from: string, to: string, wanted: (file: string) => boolean = () => true): void {
  mkdirSync(to, { recursive: true });
  for (const file of readdirSync(from)) if (wanted(file)) cpSync(join(from, file), join(to, file));
}
