/** `npm run bench`: every route of a bundle in a real browser. Figures come from here and from nowhere else. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { chromium } from 'playwright';
import { BASE_ARGS, CHROMIUM_ARGS } from '../../scripts/chromium.mjs';
import type { Manifest } from '../../src/bundle/manifest';
import { validateManifest } from '../../src/bundle/validate';
import { browserPath, ToolError } from '../../src/tools/lib/browser';
import { startHost } from '../../src/tools/lib/host';
import { writeBundle } from '../../src/tools/model/write-bundle';
import { replacePart } from './lib/document';
import { wholeNumber } from './lib/machine';
import { browserMemory, type Memory } from './lib/memory';
import { randomFamily, type WeightKind } from './lib/random-family';
import type { ShapeId } from './lib/shapes';
import type { BenchGlobals } from './page/page';
import { type BenchAnswer, report } from './report';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DEFAULT_BUNDLE = resolve(ROOT, 'public/models/photos/manifest.json');
const DOCUMENT = resolve(ROOT, 'docs/benchmarks.md');
/** Two whole batches. */
const PICTURES = 16;
const THROUGHPUT_ROUNDS = 3;
const DEIT: readonly ShapeId[] = ['ti', 's', 'b'];

interface Options {
  readonly bundle: string;
  readonly deit?: readonly ShapeId[];
  readonly weights: WeightKind;
  readonly backend: 'auto' | 'webgpu' | 'wasm' | 'cpu';
  readonly rounds: number;
  readonly frames: number;
  readonly pictures?: number;
  readonly soak: number;
  readonly size: string;
  readonly headed: boolean;
  readonly software: boolean;
  readonly json: boolean;
  readonly write: boolean;
}

/** The chosen sizes, smallest first whatever their order. */
const deitSizes = (text: string): ShapeId[] => {
  const names = text.split(',');
  if (names.every((name) => DEIT.some((id) => id === name))) return DEIT.filter((id) => names.includes(id));
  throw new InvalidArgumentError(`Use some of ${DEIT.join(', ')}.`);
};

const frameSize = (text: string): string => {
  if (/^[1-9]\d*x[1-9]\d*$/.test(text)) return text;
  throw new InvalidArgumentError('Write it as 320x240.');
};

const options = new Command('bench')
  .description('Latency, encode time, GPU time, memory, switch cost and created objects of every route, in a real browser.')
  .option('--bundle <manifest>', 'manifest.json of the bundle', DEFAULT_BUNDLE)
  .option('--deit <sizes>', 'instead of a bundle: DeiT shapes (ti,s,b) with seeded random weights and all stitches', deitSizes)
  .addOption(new Option('--weights <kind>', 'with --deit').choices(['f16', 'int8']).default('f16'))
  .addOption(new Option('--backend <kind>').choices(['auto', 'webgpu', 'wasm', 'cpu']).default('webgpu'))
  .option('--rounds <n>', 'visits to every route', wholeNumber(2), 7)
  .option('--frames <n>', 'frames a visit', wholeNumber(2), 3)
  .addOption(
    new Option('--pictures <n>', 'pictures of a throughput measurement; 0: none')
      .argParser(wholeNumber(0))
      .default(undefined, '16, with --deit none'),
  )
  .option('--soak <n>', 'frames on the first route before memory is read again', wholeNumber(0), 0)
  .option('--size <width>x<height>', 'size of the frame', frameSize, '320x240')
  .option('--headed', 'show the browser', false)
  .option('--software', 'WebGPU on the software adapter (SwiftShader) even where there is a GPU', false)
  .option('--json', 'raw answer instead of the table', false)
  .option('--write', 'put the table into docs/benchmarks.md', false)
  .parse()
  .opts<Options>();

/** Runs everything in one browser. Errors: ToolError, where there is none; what the runtime throws. */
async function measure(manifestPath: string, manifest: Manifest): Promise<BenchAnswer> {
  const executablePath = browserPath();
  const [width = 0, height = 0] = options.size.split('x').map(Number);
  const host = await startHost(manifestPath, [], fileURLToPath(new URL('page', import.meta.url)));
  const browser = await chromium.launch({
    executablePath,
    args: [...(options.software ? CHROMIUM_ARGS : BASE_ARGS)],
    // Playwright would switch the sandbox off; BASE_ARGS does so only for root.
    chromiumSandbox: true,
    headless: !options.headed,
  });
  try {
    const page = await browser.newPage();
    await page.goto(host.url);
    await page.waitForFunction(() => 'bench' in globalThis);
    const { backend, rounds, frames, soak } = options;
    const maxAnchor = manifest.anchors.at(-1)?.id ?? '';
    const request = { manifest: 'bundle/manifest.json', backend, maxAnchor, width, height };
    const times = await page.evaluate((r) => (globalThis as unknown as BenchGlobals).bench.load(r), request);
    const memory: { frames: number; memory: Memory | undefined }[] = [{ frames: 1, memory: await browserMemory(browser) }];
    const measured = await page.evaluate(([r, f]) => (globalThis as unknown as BenchGlobals).bench.rounds(r, f), [
      rounds,
      frames,
    ] as const);
    memory.push({ frames: measured.after.frames, memory: await browserMemory(browser) });
    const pictures = options.pictures ?? (options.deit === undefined ? PICTURES : 0);
    const throughput = await page.evaluate(
      ([p, r]) => (p === 0 ? [] : (globalThis as unknown as BenchGlobals).bench.throughput(p, r)),
      [pictures, THROUGHPUT_ROUNDS] as const,
    );
    if (soak > 0) {
      const first = measured.samples[0]?.route.id ?? '';
      const soaked = await page.evaluate(([route, n]) => (globalThis as unknown as BenchGlobals).bench.soak(route, n), [
        first,
        soak,
      ] as const);
      memory.push({ frames: soaked.frames, memory: await browserMemory(browser) });
    }
    await page.evaluate(() => (globalThis as unknown as BenchGlobals).bench.dispose());
    return { ...times, ...measured, throughput, memory, browser: browser.version() };
  } finally {
    await browser.close();
    host.close();
  }
}

async function main(): Promise<void> {
  const { deit, weights } = options;
  const folder = mkdtempSync(join(tmpdir(), 'running-stitch-bench-'));
  // At an interrupt too, where Playwright ends the process.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  let manifest = resolve(options.bundle);
  let title = options.bundle === DEFAULT_BUNDLE ? 'the default bundle' : manifest;
  if (deit !== undefined) {
    console.error(`Writing a family of ${deit.join(', ')} …`);
    await writeBundle(join(folder, 'bundle'), randomFamily(deit, undefined, weights));
    manifest = join(folder, 'bundle/manifest.json');
    title = `DeiT ${deit.join(', ')}, seeded random ${weights} weights`;
  }
  const described = validateManifest(JSON.parse(readFileSync(manifest, 'utf8')), manifest);
  const answer = await measure(manifest, described);
  const text = report(answer, title, { ...options, manifest: described });
  console.log(options.json ? JSON.stringify(answer) : text);
  if (!options.write) return;
  const part = deit === undefined ? 'bench bundle' : 'bench deit';
  writeFileSync(DOCUMENT, replacePart(readFileSync(DOCUMENT, 'utf8'), part, text));
}

main().catch((error: unknown) => {
  console.error(error instanceof ToolError ? error.message : error);
  process.exitCode = 1;
});
