/** Finds an installed Chrome or Chromium. Used by the tests, `classify` and the benchmarks. */
import { accessSync, constants, statSync } from 'node:fs';
import { join, delimiter } from 'node:path';
import process, { env, platform } from 'node:process';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome', 'microsoft-edge'];
const FIXED = {
  darwin: [
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
    '/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge',
  ],
  win32: [
    'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
    'C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe',
    'C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe',
  ],
};

/** No background traffic. As root, as in containers, Chromium starts only without its sandbox; the pages are our own. */
export const BASE_ARGS = [
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--enable-unsafe-webgpu',
];

/** The same with WebGPU on the software adapter, which every machine has. */
export const CHROMIUM_ARGS = [...BASE_ARGS, '--use-webgpu-adapter=swiftshader'];

const isExecutable = (path) => {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
};

/** Path of a browser, or undefined. `CHROMIUM_PATH` wins. */
export function findChromium() {
  if (env.CHROMIUM_PATH) return isExecutable(env.CHROMIUM_PATH) ? env.CHROMIUM_PATH : undefined;
  const onPath = (env.PATH ?? '').split(delimiter).flatMap((dir) => NAMES.map((name) => join(dir, name)));
  return [...onPath, ...(FIXED[platform] ?? [])].find(isExecutable);
}

/** What to tell somebody whose machine has no browser. One sentence. */
export function missingChromium() {
  return env.CHROMIUM_PATH
    ? `CHROMIUM_PATH is ${env.CHROMIUM_PATH}, which is not an executable file: correct it, or unset it to have an installed Chrome or Chromium found.`
    : 'No Chrome or Chromium was found: install one (on Debian: `apt-get install chromium`), or set CHROMIUM_PATH to its executable.';
}
