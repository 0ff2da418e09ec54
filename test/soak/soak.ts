/** `npm run soak`: losses, kills, long runs and nonsense, with a fixed seed and a limit of time. Prints figures; 1 on a breach. */
import process from 'node:process';
import { Command, Option } from 'commander';
import type { BackendChoice } from '../../src/index';
import { ToolError } from '../../src/tools/lib/browser';
import { wholeNumber } from '../bench/lib/machine';
import { stallText } from '../bench/page/stalls';
import { call, openSoakSite, type SoakSite, TINY } from './browser';
import { fuzz } from './fuzz';
import { seeded } from './random';
import { cycles, frames, type Growth, heals, kills } from './soaks';

interface Options {
  readonly bundle: string;
  readonly backend: BackendChoice;
  readonly only?: readonly string[];
  readonly cycles: number;
  readonly frames: number;
  readonly heals: number;
  readonly kills: number;
  readonly mutants: number;
  readonly seed: number;
  readonly minutes: number;
  readonly software: boolean;
}

const options = new Command('soak')
  .description('Losses, kills, long runs and mutated files, with a fixed seed and a limit of time.')
  .option('--bundle <manifest>', 'manifest.json of the bundle', TINY)
  .addOption(new Option('--backend <kind>').choices(['webgpu', 'wasm', 'cpu']).default('webgpu'))
  .option('--only <parts>', 'of heals,stalls,kills,cycles,frames,fuzz', (text) => text.split(','))
  .option('--heals <n>', 'rounds of losing the device at every stage', wholeNumber(1), 5)
  .option('--kills <n>', 'kills of the page while it loads', wholeNumber(1), 100)
  .option('--cycles <n>', 'runtimes created and disposed', wholeNumber(2), 1000)
  .option('--frames <n>', 'frames of one runtime', wholeNumber(2), 10_000)
  .option('--mutants <n>', 'mutated manifests, headers and shards', wholeNumber(1), 100_000)
  .option('--seed <n>', 'of all chance', wholeNumber(0), 1)
  .option('--minutes <n>', 'limit of each part', wholeNumber(1), 30)
  .option('--software', 'on the software adapter even where there is a GPU', false)
  .parse()
  .opts<Options>();

/** Bytes that a heap may grow by, for what browsers cache lazily. */
const HEAP_SLACK = 1e6;

const breaches: string[] = [];
const expectThat = (holds: boolean, what: string): void => {
  if (!holds) breaches.push(what);
};
const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(2)} MB`;
const change = (before: number, after: number): string => `${mb(before)} → ${mb(after)}`;
const flat = ({ before, after }: Pick<Growth, 'before' | 'after'>, what: string): void =>
  expectThat(after - before < HEAP_SLACK, `${what} grew from ${mb(before)} to ${mb(after)}`);

type Part = (site: SoakSite, limit: { readonly until: number }) => Promise<string>;
const { backend } = options;

const parts: Readonly<Record<string, Part>> = {
  async heals(site, limit) {
    const healed = await heals(site, options.heals, limit);
    const lines = [...new Set(healed.map(({ stage }) => stage))].map((stage) => {
      const times = healed.filter((one) => one.stage === stage).map(({ ms }) => ms).sort((a, b) => a - b); // prettier-ignore
      return `  lost at ${stage}: median ${times[times.length >> 1]?.toFixed(0)} ms, worst ${times.at(-1)?.toFixed(0)} ms, n ${times.length}`;
    });
    expectThat(healed.length > 0 && healed.every(({ sameRoute }) => sameRoute), 'a healed runtime was on another route');
    return [`${healed.length} losses healed, each at its route`, ...lines].join('\n');
  },
  async stalls(site) {
    const page = await site.openPage();
    const found = await call(page, 'stalls', { manifest: 'bundle/manifest.json', backend });
    await page.close();
    return stallText(found);
  },
  async kills(site, limit) {
    const { done, midway, cautious, failures } = await kills(site, backend, options.kills, seeded(options.seed), limit);
    for (const failure of failures) breaches.push(failure);
    return `${done} kills, ${midway} of them while loading: ${done - failures.length} healed; ${cautious} visits stopped at a smaller anchor until told to go on`;
  },
  async cycles(site, limit) {
    const found = await cycles(site, backend, options.cycles, limit);
    flat(found, 'the heap of the page');
    expectThat(found.workers === 0, `${found.workers} workers were left`);
    return `${found.done} runtimes created and disposed: page heap ${change(found.before, found.after)}, workers left ${found.workers}`;
  },
  async frames(site, limit) {
    const { done, worker, buffers, tensors, ...page } = await frames(site, backend, options.frames, limit);
    flat(page, 'the heap of the page');
    flat(worker, 'the heap of the worker');
    expectThat(buffers.before === buffers.after, `GPU buffers went from ${buffers.before} to ${buffers.after}`);
    expectThat(tensors.before === tensors.after, `tensors went from ${tensors.before} to ${tensors.after}`);
    return `${done} frames: page heap ${change(page.before, page.after)}, worker heap ${change(worker.before, worker.after)}, GPU buffers ${buffers.before} → ${buffers.after}, tensors ${tensors.before} → ${tensors.after}`;
  },
};

async function main(): Promise<void> {
  const wanted = options.only ?? [...Object.keys(parts), 'fuzz'];
  const until = () => Date.now() + options.minutes * 60_000;
  console.log(`bundle ${options.bundle}, backend ${backend}, seed ${options.seed}, at most ${options.minutes} min a part`);
  for (const [name, part] of Object.entries(parts)) {
    if (!wanted.includes(name)) continue;
    const site = await openSoakSite(options.bundle, options.software);
    try {
      console.log(`${name}: ${await part(site, { until: until() })}`);
    } finally {
      await site.close();
    }
  }
  if (wanted.includes('fuzz')) {
    const { done, accepted, byCode, failures } = fuzz(options.mutants, options.seed, until());
    const codes = Object.entries(byCode).map(([code, n]) => `${n} ${code}`);
    console.log(`fuzz: ${done} mutants: ${accepted} harmless, ${codes.join(', ')}, ${failures.length} other errors`);
    breaches.push(...failures);
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof ToolError)) throw error;
  breaches.push(error.message);
}
for (const breach of breaches) console.error(`soak: ${breach}`);
process.exitCode = breaches.length > 0 ? 1 : 0;
