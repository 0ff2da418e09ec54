/** What `npm run bench` prints: a row a route, and below it what concerns all of them. */
import { typicalTimings } from '../../src/control/typical';
import type { Manifest } from '../../src/bundle/manifest';
import type { EngineStats, RouteInfo, RoutePath, Timing } from '../../src/index';
import { gpuBytesText } from './lib/gpu-bytes';
import { linearFit, markdownTable, median, quantile } from './lib/figures';
import { machineClass } from './lib/machine';
import type { Memory } from './lib/memory';
import type { LoadTimes, Rounds, RouteSamples } from './page/page';
import { stallText } from './page/stalls';
import type { Throughput } from './page/throughput';

export interface BenchAnswer extends LoadTimes, Rounds {
  /** After how many frames the browser held what; undefined where the system does not say. */
  readonly memory: readonly { readonly frames: number; readonly memory: Memory | undefined }[];
  readonly throughput: readonly Throughput[];
  /** Its version. */
  readonly browser: string;
}

export interface BenchSettings {
  readonly manifest: Manifest;
  readonly size: string;
  readonly rounds: number;
  readonly frames: number;
}

const THROUGHPUT = 'Many pictures, as many a second (and the median latency of `watch`):';

const blocksOf = (path: RoutePath): number =>
  path.reduce((sum, step) => ('stitch' in step ? sum : sum + step.to - step.from + 1), 0);

const totals = (timings: readonly Timing[]): number[] => timings.map(({ totalMs }) => totalMs);
const gpuTimes = (timings: readonly Timing[]): number[] => timings.flatMap(({ gpuMs }) => gpuMs ?? []);

/** `encodes`: on a GPU; elsewhere JavaScript computes, and encodes nothing. */
function routeRow(
  { route, switched, steady }: RouteSamples,
  after: EngineStats,
  encodes: boolean,
): Record<string, string | number> {
  const total = totals(steady);
  const gpu = gpuTimes(steady);
  const counted = after.dispatches.find((d) => d.route === route.id);
  return {
    route: route.id,
    MMACs: (route.macs / 1e6).toFixed(1),
    blocks: blocksOf(route.path),
    'median ms': median(total).toFixed(1),
    'p95 ms': quantile(total, 0.95).toFixed(1),
    'spread (iqr) ms': (quantile(total, 0.75) - quantile(total, 0.25)).toFixed(1),
    'encode ms': encodes ? median(steady.map((t) => t.encodeMs)).toFixed(2) : '–',
    'gpu ms': gpu.length > 0 ? median(gpu).toFixed(1) : '–',
    'first / median': (median(totals(switched)) / median(total)).toFixed(2),
    dispatches: counted ? `${counted.network} + ${counted.stitches} + ${counted.inputOutput}` : '–',
  };
}

/** How much of the differences between routes' times MACs and blocks explain; undefined with too few routes to say. */
export function explained(routes: readonly RouteInfo[], timeOf: (route: RouteInfo) => number): string | undefined {
  const y = routes.map(timeOf);
  if (routes.length < 4 || !y.every(Number.isFinite)) return undefined;
  const gmacs = routes.map(({ macs }) => macs / 1e9);
  const blocks = routes.map(({ path }) => blocksOf(path));
  const { r2, coefficients } = linearFit(y, [gmacs, blocks]);
  const [constant = 0, perGmac = 0, perBlock = 0] = coefficients.map((value) => Number(value.toPrecision(3)));
  return `R² ${r2.toFixed(4)} over ${routes.length} routes: ${constant} ms + ${perGmac} ms a GMAC + ${perBlock} ms a block`;
}

/** The same of the medians, and of times at one pace of the machine: what other programs took meanwhile is no route's cost. */
function explainedLines(what: string, { samples, visits }: Rounds, timesOf: (steady: readonly Timing[]) => number[]): string[] {
  const routes = samples.map(({ route }) => route);
  const plain = new Map(samples.map(({ route, steady }) => [route.id, median(timesOf(steady))]));
  const typical = typicalTimings(
    visits.map(({ route, steady }) => ({ route, samplesMs: timesOf(steady) })),
    new Map(routes.map(({ id, macs }) => [id, macs])),
  );
  const paced = new Map(typical.map(({ route, medianMs }) => [route, medianMs]));
  const line = (times: ReadonlyMap<string, number>, words: string): string[] => {
    const said = explained(routes, ({ id }) => times.get(id) ?? Number.NaN);
    return said === undefined ? [] : [`${what} by MACs and blocks${words}: ${said}`];
  };
  return [...line(plain, ''), ...line(paced, ', at one pace of the machine')];
}

function throughputRow(one: Throughput): Record<string, string> {
  const rate = (samples: readonly number[]) => median(samples).toFixed(1);
  return {
    route: one.route,
    'one by one': rate(one.oneByOne),
    'watch without overlap': `${rate(one.watched)} (${rate(one.watchedMs)} ms)`,
    'watch with overlap': `${rate(one.overlapped)} (${rate(one.overlappedMs)} ms)`,
    batches: rate(one.batches),
    'batches ÷ one by one': median(one.batches.map((value, i) => value / (one.oneByOne[i] ?? Number.NaN))).toFixed(2),
  };
}

function memoryLines(memory: BenchAnswer['memory']): string[] {
  const rows = memory.flatMap(({ frames, memory: held }) =>
    held === undefined
      ? []
      : [`${held.rendererMb.toFixed(0)} + ${held.gpuMb.toFixed(0)} MB after ${frames} frame${frames === 1 ? '' : 's'}`],
  );
  return rows.length === 0 ? [] : [`resident memory, renderer + GPU process: ${rows.join('; ')}`];
}

export function report(answer: BenchAnswer, title: string, { manifest, size, rounds, frames }: BenchSettings): string {
  const { device, before, after, samples } = answer;
  const ran = after.frames - before.frames;
  const { adapter } = device;
  const name = adapter ? `${adapter.vendor} ${adapter.architecture} ${adapter.description}`.trim() : 'none';
  const software = adapter?.software === true ? ' (software: its times say nothing of a GPU)' : '';
  const ratio = median(samples.map((s) => median(totals(s.switched)) / median(totals(s.steady))));
  const all = samples.flatMap((s) => [...s.steady, ...s.switched]);
  const encode = all.map((t) => t.encodeMs);
  const encodes = device.executor === 'webgpu';
  const lines = [
    `load ${answer.readyMs.toFixed(0)} ms, first answer ${answer.firstAnswerMs.toFixed(0)} ms, every route ${answer.allMs.toFixed(0)} ms (local server)`,
    stallText(answer.stalls),
    ...(encodes
      ? [`encode, all frames: median ${median(encode).toFixed(2)} ms, p95 ${quantile(encode, 0.95).toFixed(2)} ms`]
      : []),
    ...explainedLines('latency', answer, totals),
    ...explainedLines('GPU time', answer, gpuTimes),
    `first frame after a switch / median of its route: median over routes ${ratio.toFixed(3)}`,
    `created over ${ran} frames: ${after.pipelines - before.pipelines} pipelines, ${after.buffers - before.buffers} buffers, ${after.bindGroups - before.bindGroups} bind groups; submits a frame ${((after.submits - before.submits) / ran).toFixed(2)}`,
    `pipelines ${after.pipelines}, bind groups ${after.bindGroups}, buffers ${after.buffers}; weights ${(after.weightBytes / 1e6).toFixed(2)} MB (tfjs ${after.tf.backend}: ${after.tf.numTensors} tensors, ${(after.tf.numBytes / 1e6).toFixed(2)} MB)`,
    gpuBytesText(manifest),
    ...memoryLines(answer.memory),
  ];
  return [
    `${new Date().toISOString().slice(0, 10)}; ${machineClass()}; Chromium ${answer.browser}; executor ${device.executor}; adapter ${name}${software}.`,
    `${title}; ${samples.length} routes; ${rounds} rounds × ${frames} frames of ${size}, interleaved.`,
    '',
    markdownTable(samples.map((s) => routeRow(s, after, encodes))),
    '',
    ...(answer.throughput.length === 0 ? [] : [THROUGHPUT, '', markdownTable(answer.throughput.map(throughputRow)), '']),
    ...lines.map((line) => `- ${line}`),
  ].join('\n');
}
