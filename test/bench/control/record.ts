/** `npm run bench:record`: records the controller on this machine under real load, for `npm run replay` and for the simulator. */
import { writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import { DEFAULT_BUNDLE, describeDevice, withPage } from './browser';
import type { ControlPage, LoadPlan } from './page/page';

type Burst = LoadPlan['bursts'][number];

interface Options {
  readonly bundle: string;
  readonly backend: 'webgpu' | 'wasm' | 'cpu';
  readonly seconds: number;
  readonly budget: number;
  readonly load: readonly Burst[];
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Infinity)) throw new InvalidArgumentError('It must be a number above 0.');
  return value;
}

/** `20-45x2`: two workers from second 20 to 45. */
function burst(text: string, before: readonly Burst[]): readonly Burst[] {
  const [, from, to, workers] = /^(\d+)-(\d+)x(\d+)$/.exec(text) ?? [];
  if (workers === undefined || Number(to) <= Number(from))
    throw new InvalidArgumentError('Write FROM-TOxWORKERS, as in 20-45x2.');
  return [...before, { from: Number(from), to: Number(to), workers: Number(workers) }];
}

const program = new Command('bench:record')
  .description('Records what the controller is told and decides, in a real browser under real processor load.')
  .argument('<file>', 'where to write the trace, .jsonl')
  .option('--bundle <manifest>', 'manifest.json of the bundle', DEFAULT_BUNDLE)
  .addOption(new Option('--backend <kind>').choices(['webgpu', 'wasm', 'cpu']).default('wasm'))
  .option('--seconds <n>', 'length of the recording', positive, 90)
  .option('--budget <ms>', 'latency budget', positive, 100)
  .option('--load <from-toxworkers>', 'processor load from one second to another; repeatable', burst, [])
  .parse();
const { bundle, backend, seconds, budget, load } = program.opts<Options>();
const [file = 'trace.jsonl'] = program.args;

await withPage(bundle, async (page) => {
  const request = { manifest: 'bundle/manifest.json', backend, budgetMs: budget, guardPage: false, calibrate: true };
  const { device, profile } = await page.evaluate(
    (r) => (globalThis as unknown as { controlPage: ControlPage }).controlPage.open(r),
    request,
  );
  const { trace, frames } = await page.evaluate(
    ([s, plan]) => (globalThis as unknown as { controlPage: ControlPage }).controlPage.record(s, plan),
    [seconds, { bursts: load }] as const,
  );
  writeFileSync(file, trace);
  const off = profile.medianError < 0 ? 'unknown' : `${(100 * profile.medianError).toFixed(1)} %`;
  const measured = profile.routes.filter(({ measuredMs }) => measuredMs !== undefined).length;
  console.log(`${describeDevice(device)}; ${measured} of ${profile.routes.length} routes measured, median error ${off}`);
  console.log(
    `${frames} frames in ${seconds} s, load ${load.map((b) => `${b.from}-${b.to}x${b.workers}`).join(' ') || 'none'}: ${file}`,
  );
});
