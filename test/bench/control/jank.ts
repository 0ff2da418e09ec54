/** `npm run bench:jank`: frames a second of the page's own animation, alone, beside the network, and with the page-jank guard. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { DEFAULT_BUNDLE, describeDevice, withPage } from './browser';
import type { ControlPage } from './page/page';

interface Options {
  readonly bundle: string;
  readonly backend: 'webgpu' | 'wasm' | 'cpu';
  readonly seconds: number;
  readonly rounds: number;
  readonly budget: number;
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('It must be a whole number above 0.');
  return value;
}

const options = new Command('bench:jank')
  .description('How smooth a page stays beside the network, with and without the page-jank guard.')
  .option('--bundle <manifest>', 'manifest.json of the bundle', DEFAULT_BUNDLE)
  .addOption(new Option('--backend <kind>').choices(['webgpu', 'wasm', 'cpu']).default('wasm'))
  .option('--seconds <n>', 'length of one measurement', whole, 15)
  .option('--rounds <n>', 'how often each is measured, interleaved', whole, 3)
  .option('--budget <ms>', 'latency budget', whole, 200)
  .parse()
  .opts<Options>();

const CASES = [
  { name: 'alone', classify: false, guardPage: true },
  { name: 'without the guard', classify: true, guardPage: false },
  { name: 'with the guard', classify: true, guardPage: true },
] as const;
/** The guard needs some seconds to find its share; what comes before is its price, and is printed apart. */
const SETTLE_SECONDS = 5;

const quantile = (values: readonly number[], q: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN;
};

await withPage(options.bundle, async (page) => {
  const { backend, budget, seconds, rounds } = options;
  const figures = new Map<string, { all: number[]; late: number[]; answers: number; duties: number[] }>();
  let device = '';
  for (let round = 0; round < rounds; round++) {
    for (const { name, classify, guardPage } of CASES) {
      const request = { manifest: 'bundle/manifest.json', backend, budgetMs: budget, guardPage, calibrate: false };
      const opened = await page.evaluate(
        (r) => (globalThis as unknown as { controlPage: ControlPage }).controlPage.open(r),
        request,
      );
      device = describeDevice(opened.device);
      const { pageFps, answers, duty } = await page.evaluate(
        ([s, c]) => (globalThis as unknown as { controlPage: ControlPage }).controlPage.animate(s, c),
        [seconds, classify] as const,
      );
      const sum = figures.get(name) ?? { all: [], late: [], answers: 0, duties: [] };
      sum.all.push(...pageFps);
      sum.late.push(...pageFps.slice(SETTLE_SECONDS));
      sum.answers += answers;
      sum.duties.push(duty);
      figures.set(name, sum);
    }
  }
  console.log(`${device}; budget ${budget} ms; ${rounds} rounds of ${seconds} s, interleaved`);
  console.log(
    `\n| page | median fps | worst tenth | median after ${SETTLE_SECONDS} s | answers/s | duty at the end |\n| --- | --- | --- | --- | --- | --- |`,
  );
  for (const [name, { all, late, answers, duties }] of figures) {
    const cells = [
      quantile(all, 0.5),
      quantile(all, 0.1),
      quantile(late, 0.5),
      answers / (rounds * seconds),
      quantile(duties, 0.5),
    ];
    console.log(`| ${name} | ${cells.map((cell) => cell.toFixed(cell < 2 ? 2 : 1)).join(' | ')} |`);
  }
});
