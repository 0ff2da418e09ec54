/**
 * `npm run bench:peers`: the other ways to run a vision transformer in a browser, and Running Stitch, on the same weights and the
 * same image, in turn, in one browser. Every answer is compared with PyTorch's. The figures of docs/benchmarks.md come from here.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { chromium, type Browser } from 'playwright';
import { BASE_ARGS, CHROMIUM_ARGS } from '../../../scripts/chromium.mjs';
import { browserPath, ToolError } from '../../../src/tools/lib/browser';
import { replacePart } from '../lib/document';
import { machineClass, wholeNumber } from '../lib/machine';
import { SHAPES, type ShapeId } from '../lib/shapes';
import { installPeers, pinned } from './install';
import { tables } from './judge';
import { measure } from './measure';
import { PEERS, type AdapterNote, type PeersGlobals, type PeerSpec } from './protocol';
import { targetRows } from './targets';
import { findTorch } from './torch';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const DOCUMENT = resolve(ROOT, 'docs/benchmarks.md');
/** Names of the option, and what they stand for. */
const SHAPE_NAMES: Readonly<Record<string, readonly ShapeId[]>> = {
  ti: ['ti'],
  s: ['s'],
  b: ['b'],
  w96: ['w96'],
  w128: ['w128'],
  photos: ['w96', 'w128'],
};
const QUICK_ROUNDS = 2;

interface Options {
  readonly shapes: readonly ShapeId[];
  readonly peers: readonly PeerSpec[];
  readonly rounds: number;
  readonly quick: boolean;
  readonly python: string;
  readonly headed: boolean;
  readonly software: boolean;
  readonly json: boolean;
  readonly write: boolean;
  readonly peakGflops?: number;
  readonly peakGbs?: number;
}

const shapesOf = (text: string): ShapeId[] =>
  text.split(',').flatMap((name) => {
    const found = SHAPE_NAMES[name];
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`Use some of ${Object.keys(SHAPE_NAMES).join(', ')}.`);
  });

/** Peers whose id is, or begins with, one of the names: `ort` stands for all of onnxruntime-web. */
const peersOf = (text: string): PeerSpec[] => {
  const names = text.split(',');
  const stands = (name: string, id: string) => id === name || id.startsWith(`${name}-`);
  if (names.every((name) => PEERS.some(({ id }) => stands(name, id)))) {
    return PEERS.filter(({ id }) => names.some((name) => stands(name, id)));
  }
  throw new InvalidArgumentError(`Use ids, or what they begin with: ${PEERS.map(({ id }) => id).join(', ')}.`);
};

const program = new Command('bench:peers')
  .description('Running Stitch beside onnxruntime-web, LiteRT.js and TensorFlow.js: same weights, same image, one browser.')
  .addOption(
    new Option('--shapes <names>', 'ti, s, b (DeiT), photos (the default bundle: w96, w128)')
      .argParser(shapesOf)
      .default(shapesOf('ti,s,photos'), 'ti,s,photos'),
  )
  .addOption(
    new Option('--peers <ids>', 'only these; "ort" stands for all that begin with it').argParser(peersOf).default(PEERS, 'all'),
  )
  .option('--rounds <n>', 'rounds; each runs every peer once', wholeNumber(2), 15)
  .option('--quick', `smoke run: ${QUICK_ROUNDS} rounds, w96 and w128 unless --shapes says otherwise`, false)
  .option('--python <path>', 'a Python with PyTorch', process.env['PYTHON'] ?? 'python3')
  .option('--headed', 'show the browser', false)
  .option('--software', 'WebGPU on the software adapter (SwiftShader) even where there is a GPU', false)
  .option('--peak-gflops <n>', "the GPU's f32 peak, to say what fraction is reached", Number)
  .option('--peak-gbs <n>', "the GPU's memory bandwidth in GB/s, likewise", Number)
  .option('--json', 'raw samples instead of tables', false)
  .option('--write', 'put the tables into docs/benchmarks.md', false);

function chosen(): Options {
  const options = program.parse().opts<Options>();
  if (!options.quick) return options;
  const shapes = program.getOptionValueSource('shapes') === 'default' ? shapesOf('photos') : options.shapes;
  return { ...options, shapes, rounds: QUICK_ROUNDS };
}

/** Date, machine, browser, versions: what a figure is worth without. */
function circumstances(options: Options, browser: Browser, adapter: AdapterNote | undefined, torch: string): string {
  const tfjs = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { dependencies: Record<string, string> })
    .dependencies;
  const versions = [
    `Chromium ${browser.version()}`,
    `onnxruntime-web ${pinned()['onnxruntime-web']}`,
    `LiteRT.js ${pinned()['@litertjs/core']}`,
    `TensorFlow.js ${tfjs['@tensorflow/tfjs-core']}`,
    `PyTorch ${torch}`,
  ];
  const webgpu =
    adapter === undefined ? 'none' : `${adapter.text}${adapter.software ? ' (software: its times say nothing of a GPU)' : ''}`;
  return [
    `${new Date().toISOString().slice(0, 10)}; ${machineClass()}; ${options.headed ? 'headed' : 'headless'}.`,
    `WebGPU adapter: ${webgpu}. ${versions.join(', ')}.`,
    `${options.rounds} rounds, order rotated.`,
  ].join(' ');
}

async function main(options: Options): Promise<void> {
  const executable = browserPath();
  const torch = findTorch(options.python);
  installPeers();
  // What follows imports the packages that were just installed.
  const { prepareNetwork } = await import('./prepare');
  const { startSite } = await import('./site');
  const folder = mkdtempSync(join(tmpdir(), 'running-stitch-peers-'));
  // At an interrupt too, where Playwright ends the process.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  let browser: Browser | undefined;
  let site: Awaited<ReturnType<typeof startSite>> | undefined;
  try {
    site = await startSite(folder);
    browser = await chromium.launch({
      executablePath: executable,
      args: [...(options.software ? CHROMIUM_ARGS : BASE_ARGS)],
      chromiumSandbox: true,
      headless: !options.headed,
    });
    const parts: { shape: ShapeId; text: string }[] = [];
    const raw: object[] = [];
    for (const shape of options.shapes) {
      console.error(`${SHAPES[shape].title}: writing the network …`);
      const network = await prepareNetwork(join(folder, shape), shape, 'f16', options.python, true);
      const int8 = options.peers.some(({ weights }) => weights === 'int8')
        ? await prepareNetwork(join(folder, `${shape}-int8`), shape, 'int8', options.python, false)
        : undefined;
      // A page of its own, so that one network's workers are gone before the next one's start.
      const page = await browser.newPage();
      await page.goto(site.url);
      await page.waitForFunction(() => 'peers' in globalThis);
      const adapter = await page.evaluate(() => (globalThis as unknown as PeersGlobals).peers.adapter());
      const samples = await measure(page, site.url, options.peers, { shape, network, int8 }, options.rounds);
      await page.close();
      rmSync(join(folder, shape), { recursive: true });
      const about = circumstances(options, browser, adapter, torch);
      const text = tables(samples, network, targetRows(shape, samples, adapter?.software ?? true), {
        ...(options.peakGflops === undefined ? {} : { gflops: options.peakGflops }),
        ...(options.peakGbs === undefined ? {} : { gbs: options.peakGbs }),
      });
      parts.push({ shape, text: `${about}\n\n${text}` });
      raw.push({ shape, about, macs: network.macs, adapter, samples });
      if (!options.json) console.log(`\n## ${SHAPES[shape].title}\n\n${about}\n\n${text}\n`);
    }
    if (options.json) console.log(JSON.stringify(raw));
    if (options.write) {
      let document = readFileSync(DOCUMENT, 'utf8');
      for (const { shape, text } of parts) document = replacePart(document, `bench:peers ${shape}`, text);
      writeFileSync(DOCUMENT, document);
    }
  } finally {
    await browser?.close();
    await site?.close();
  }
}

main(chosen()).catch((error: unknown) => {
  console.error(error instanceof ToolError ? error.message : error);
  process.exitCode = 1;
});
