/** `npm run bench`: every route of a bundle in a real browser. Figures come from here and from nowhere else. */
import { resolve } from 'node:path';
import { arch, cpus, platform } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command, Option } from 'commander';
import { chromium } from 'playwright';
import { BASE_ARGS, CHROMIUM_ARGS } from '../../scripts/chromium.mjs';
import { browserPath } from '../../src/tools/lib/browser';
import { startHost } from '../../src/tools/lib/host';
import type { BenchAnswer, BenchGlobals, RouteSamples } from './page/page';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Options {
  readonly bundle: string;
  readonly backend: 'auto' | 'webgpu' | 'wasm' | 'cpu';
  readonly rounds: number;
  readonly frames: number;
  readonly size: string;
  readonly headed: boolean;
  readonly software: boolean;
  readonly json: boolean;
}

const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 2) throw new Error(`${text} is not a whole number of at least 2`);
  return value;
};

const program = new Command('bench')
  .description('Latency, encode time, switch cost and created objects of every route, in a real browser.')
  .option('--bundle <manifest>', 'manifest.json of the bundle', resolve(ROOT, 'public/models/photos-64-128/manifest.json'))
  .addOption(new Option('--backend <kind>').choices(['auto', 'webgpu', 'wasm', 'cpu']).default('webgpu'))
  .option('--rounds <n>', 'visits to every route', whole, 7)
  .option('--frames <n>', 'frames a visit', whole, 3)
  .option('--size <width>x<height>', 'size of the frame', '320x240')
  .option('--headed', 'show the browser', false)
  .option('--software', 'WebGPU on the software adapter (SwiftShader) even where there is a GPU', false)
  .option('--json', 'raw answer instead of the table', false)
  .parse();
const options = program.opts<Options>();

const quantile = (values: readonly number[], q: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
};
const median = (values: readonly number[]): number => quantile(values, 0.5);

function routeRow({ route, switched, steady }: RouteSamples, answer: BenchAnswer): Record<string, string | number> {
  const total = steady.map((t) => t.totalMs);
  const gpu = steady.map((t) => t.gpuMs).filter((ms) => ms !== undefined);
  const counted = answer.after.dispatches.find((d) => d.route === route.id);
  return {
    route: route.id,
    MMACs: (route.macs / 1e6).toFixed(1),
    'median ms': median(total).toFixed(1),
    'p95 ms': quantile(total, 0.95).toFixed(1),
    'spread (iqr) ms': (quantile(total, 0.75) - quantile(total, 0.25)).toFixed(1),
    'encode ms': median(steady.map((t) => t.encodeMs)).toFixed(2),
    'gpu ms': gpu.length > 0 ? median(gpu).toFixed(1) : '-',
    'first / median': (median(switched.map((t) => t.totalMs)) / median(total)).toFixed(2),
    dispatches: counted ? `${counted.network} + ${counted.stitches} + ${counted.inputOutput}` : '-',
  };
}

function markdown(rows: readonly Record<string, string | number>[]): string {
  const heads = Object.keys(rows[0] ?? {});
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [line(heads), line(heads.map(() => '---')), ...rows.map((row) => line(Object.values(row)))].join('\n');
}

function report(answer: BenchAnswer): string {
  const { device, before, after, samples } = answer;
  const frames = after.frames - before.frames;
  const adapter = device.adapter
    ? `${device.adapter.vendor} ${device.adapter.architecture} ${device.adapter.description}`
    : 'none';
  const ratio = median(samples.map((s) => median(s.switched.map((t) => t.totalMs)) / median(s.steady.map((t) => t.totalMs))));
  const encode = samples.flatMap((s) => [...s.steady, ...s.switched].map((t) => t.encodeMs));
  return [
    `executor ${device.executor}; adapter ${adapter.trim()}; frame ${options.size}; ${cpus()[0]?.model ?? 'cpu'} × ${cpus().length}, ${platform()} ${arch()}`,
    `bundle ${options.bundle}; ${samples.length} routes; ${options.rounds} rounds × ${options.frames} frames, interleaved`,
    '',
    markdown(samples.map((s) => routeRow(s, answer))),
    '',
    `load ${answer.loadMs.toFixed(0)} ms, first answer ${answer.firstAnswerMs.toFixed(0)} ms`,
    `encode, all frames: median ${median(encode).toFixed(2)} ms, p95 ${quantile(encode, 0.95).toFixed(2)} ms`,
    `first frame after a switch / median of its route: median over routes ${ratio.toFixed(3)}`,
    `created over ${frames} frames: ${after.pipelines - before.pipelines} pipelines, ${after.buffers - before.buffers} buffers, ${after.bindGroups - before.bindGroups} bind groups; submits a frame ${((after.submits - before.submits) / frames).toFixed(2)}`,
    `pipelines ${after.pipelines}, bind groups ${after.bindGroups}, buffers ${after.buffers}; weights ${(after.weightBytes / 1e6).toFixed(2)} MB (tfjs ${after.tf.backend}: ${after.tf.numTensors} tensors, ${(after.tf.numBytes / 1e6).toFixed(2)} MB)`,
  ].join('\n');
}

const [width = 0, height = 0] = options.size.split('x').map(Number);
const host = await startHost(resolve(options.bundle), [], fileURLToPath(new URL('page', import.meta.url)));
const browser = await chromium.launch({
  executablePath: browserPath(),
  args: [...(options.software ? CHROMIUM_ARGS : BASE_ARGS)],
  // Playwright would switch the sandbox off; BASE_ARGS does so only for root.
  chromiumSandbox: true,
  headless: !options.headed,
});
try {
  const page = await browser.newPage();
  await page.goto(host.url);
  await page.waitForFunction(() => 'bench' in globalThis);
  const { backend, rounds, frames } = options;
  const request = { manifest: 'bundle/manifest.json', backend, rounds, frames, width, height };
  const answer = await page.evaluate((r) => (globalThis as unknown as BenchGlobals).bench(r), request);
  console.log(options.json ? JSON.stringify(answer) : report(answer));
} finally {
  await browser.close();
  host.close();
}
