/**
 * How the work of each GEMM is shared out on this device. More rows an invocation, or tiles in workgroup memory, read the weights less
 * often; fewer rows make more invocations, which a wide GPU needs to be busy with a small matrix. No rule knows which it is, so a GPU is
 * asked: once, on its first load. For processors there is a rule.
 */
import type { Kept } from '../core/kept';
import { VERSION } from '../core/version';
import type { AdapterSummary } from '../engine/api';
import type { GpuHandle, Specials } from './device';
import { bind, type Dispatch, newCounters, type PipelineCache } from './kernel';
import { attentionMemory, type AttentionShape, type AttentionSharing } from './kernels/attention';
import {
  gemmBindings,
  gemmKernel,
  type GemmShape,
  gemmWorkgroups,
  PANEL_COLUMNS,
  type Tiling,
  TILINGS,
} from './kernels/gemm/gemm';

/** A linear layer's size: x [m, k] · W [k, n]. */
export interface Size {
  readonly m: number;
  readonly k: number;
  readonly n: number;
}

/** Tilings by size. */
export type Tuning = ReadonlyMap<string, Tiling>;

/**
 * What a size may run with on a device, by what that device can; the first is what it runs with where nothing was measured: the one
 * that suits every device.
 */
export function candidatesFor({ m }: Size, { tiles, manyRows, subgroups }: Specials): readonly Tiling[] {
  // The head has one row, the class token.
  if (m === 1) return subgroups ? ['direct1', 'split'] : ['direct1'];
  // A processor that does other things as well says less by its timings than the rule does, and compiling to ask it takes seconds.
  if (manyRows) return [m < FEW ? 'direct4' : leastWork(m)];
  return tiles ? ['direct4', 'direct2', 'direct8', 'tiled32', 'tiled64'] : ['direct4', 'direct2', 'direct8'];
}

/** Below this many rows there is little to win, and wide kernels take long to compile. */
const FEW = 50;
const WIDE = ['wide8', 'wide10', 'wide11', 'wide12', 'wide13', 'wide14', 'wide15', 'wide16'] as const;
/**
 * What reading a row of x, and unpacking a panel of W, cost beside the products of one row and one panel; fitted to times on
 * SwiftShader.
 */
const READING = 2;
const UNPACKING = 12;

/** Where an invocation can have any number of rows: as many as read seldom and compute few rows beyond the last one. */
function leastWork(m: number): Tiling {
  const cost = (tiling: Tiling) => {
    const { rows, panels } = TILINGS[tiling];
    return (Math.ceil(m / rows) * (rows * READING + panels * UNPACKING + rows * panels)) / panels;
  };
  return WIDE.reduce((a, b) => (cost(b) < cost(a) ? b : a));
}

/** Query rows of a dispatch that keep a wide GPU busy by themselves; with fewer it has cores that do nothing. */
const MANY_QUERIES = 16_384;
/** Workgroup memory that every device has, bytes. */
const LEAST_MEMORY = 16_384;
const PARTS = 4;

/**
 * How the attention is shared out. An invocation reads all keys and values, so more query rows read less; a GPU hides that, and needs
 * the invocations, so there several share one row's keys.
 */
export function attentionFor(
  { images, tokens, heads, headDim }: Omit<AttentionShape, keyof AttentionSharing>,
  { manyRows, tiles }: Specials,
): AttentionSharing {
  if (manyRows) return { queries: tokens >= FEW ? 5 : 1, parts: 1 };
  const isFew = images * heads * tokens < MANY_QUERIES;
  const fits = attentionMemory({ headDim, parts: PARTS }) <= LEAST_MEMORY;
  return { queries: 1, parts: tiles && isFew && fits ? PARTS : 1 };
}

/** Another tiling than the first has to be better by this share: timings are noisy, and compiled kernels are shared. */
const WORTH = 0.05;
/**
 * No size is begun after this, ms: with the one that is under way it stays below two seconds. Sizes that it does not suffice for take
 * after the nearest one that was measured.
 */
const BUDGET_MS = 1200;
/** A timing covers this much work at least, ms… */
const LEAST_MS = 3;
/** …in at most so many dispatches. */
const MOST_DISPATCHES = 256;
const ROUNDS = 3;

const keyOf = ({ m, k, n }: Size): string => `${m}x${k}x${n}`;
const work = ({ m, k, n }: Size): number => Math.log(m * k * n);
const sizeOf = (key: string): Size => {
  const [m = 0, k = 0, n = 0] = key.split('x').map(Number);
  return { m, k, n };
};

const deviceKey = ({ vendor, architecture, description }: AdapterSummary): string =>
  `${VERSION} ${vendor} ${architecture} ${description}`;

/** The tiling for a size: as measured, else as for the nearest in work. */
export function tilingFor(tuning: Tuning, size: Size, specials: Specials): Tiling {
  const exact = tuning.get(keyOf(size));
  if (exact !== undefined) return exact;
  const candidates = candidatesFor(size, specials);
  const far = (key: string) => Math.abs(work(sizeOf(key)) - work(size));
  const alike = [...tuning].filter(([, tiling]) => candidates.includes(tiling));
  const [nearest] = alike.sort(([a], [b]) => far(a) - far(b));
  return nearest?.[1] ?? candidates[0]!;
}

/**
 * What this device is fastest with, kept or measured now (then kept). Where nothing can be kept nothing is measured either: every
 * start would pay for it. Never throws: a device that cannot say gets the first of each size's candidates.
 */
export async function tune(
  { device, summary, specials }: Pick<GpuHandle, 'device' | 'summary' | 'specials'>,
  pipelines: PipelineCache,
  sizes: readonly Size[],
  kept: Kept,
): Promise<Tuning> {
  if (!kept.enabled) return new Map();
  // Plain kernels have a list of their own: what is best among them says nothing of the others.
  const key = `tuning:${deviceKey(summary)}${specials.tiles || specials.manyRows ? '' : ' plain'}`;
  const known = readTuning(await kept.read(key), specials);
  const asked = sizes.filter((size) => candidatesFor(size, specials).length > 1);
  // One start pays, for as much as there was time for; what is missing takes after the nearest.
  if (asked.length === 0 || asked.some((size) => known.has(keyOf(size)))) return known;
  let lost = false;
  void device.lost.then(() => (lost = true));
  // What a lost device does takes no time, and so does what has no memory. Nothing else is under way yet.
  device.pushErrorScope('out-of-memory');
  const measured = await measureAll(device, pipelines, asked, specials).catch((): Tuning => new Map());
  const trouble = await device.popErrorScope().catch(() => null);
  if (lost || trouble !== null) return known;
  const tuning = new Map([...known, ...measured]);
  if (measured.size > 0) await kept.write(key, Object.fromEntries(tuning));
  return tuning;
}

/** What is no candidate here, as after a change of the device's features, is measured anew. */
function readTuning(found: unknown, specials: Specials): Map<string, Tiling> {
  if (typeof found !== 'object' || found === null) return new Map();
  const isOurs = (entry: [string, unknown]): entry is [string, Tiling] =>
    /^\d+x\d+x\d+$/.test(entry[0]) && candidatesFor(sizeOf(entry[0]), specials).some((one) => one === entry[1]);
  return new Map(Object.entries(found).filter(isOurs));
}

const plainKey = (adapter: AdapterSummary): string => `plain:${deviceKey(adapter)}`;

/** Whether this device is to get plain kernels only: the others failed here before. */
export const isPlain = async (kept: Kept, adapter: AdapterSummary): Promise<boolean> =>
  (await kept.read(plainKey(adapter))) === true;

export const keepPlain = (kept: Kept, adapter: AdapterSummary): Promise<void> => kept.write(plainKey(adapter), true);

interface Tried {
  readonly tiling: Tiling;
  readonly dispatch: Dispatch;
  best: number;
}

async function measureAll(
  device: GPUDevice,
  pipelines: PipelineCache,
  sizes: readonly Size[],
  specials: Specials,
): Promise<Tuning> {
  const deadline = performance.now() + BUDGET_MS;
  const tuning = new Map<string, Tiling>();
  const most = (f: (size: Size) => number) => Math.max(...sizes.map(f));
  const buffer = (bytes: number) => device.createBuffer({ size: Math.ceil(bytes / 16) * 16, usage: GPUBufferUsage.STORAGE });
  const wide = (n: number) => Math.ceil(n / PANEL_COLUMNS) * PANEL_COLUMNS;
  const buffers: Record<string, GPUBuffer> = {
    x: buffer(most(({ m, k }) => m * k * 4)),
    w: buffer(most(({ k, n }) => k * wide(n) * 2)),
    bias: buffer(most(({ n }) => wide(n) * 2)),
    out: buffer(most(({ m, n }) => m * wide(n) * 4)),
  };
  const prepare = async (size: Size, tiling: Tiling): Promise<Tried> => {
    const { halves } = specials;
    const shape: GemmShape = { ...size, tiling, halves, weights: 'f16', epilogue: 'plain', stats: false };
    const pipeline = await pipelines.get(gemmKernel(shape));
    // The kernel reads its widths off what is bound.
    const bytes: Record<string, number> = { w: size.k * wide(size.n) * 2, bias: wide(size.n) * 2 };
    const resources = gemmBindings(shape).map((name) => ({ buffer: buffers[name]!, size: bytes[name] ?? buffers[name]!.size }));
    const bindGroup = bind(device, newCounters(), pipeline, resources);
    return { tiling, dispatch: { pipeline, bindGroup, workgroups: gemmWorkgroups(shape) }, best: Infinity };
  };
  try {
    for (const size of sizes) {
      const candidates = candidatesFor(size, specials);
      if (performance.now() > deadline) break;
      // One that does not compile is none.
      const compiled = await Promise.allSettled(candidates.map((tiling) => prepare(size, tiling)));
      const tried = compiled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      const [usual] = tried;
      if (usual === undefined || usual.tiling !== candidates[0]) continue;
      // The first one warms up, and says how many make a time that can be told from the submit's own.
      let count = 1;
      while (count < MOST_DISPATCHES && (await time(device, usual.dispatch, count)) < LEAST_MS) count *= 2;
      for (let round = 0; round < ROUNDS; round++) {
        for (const one of tried) one.best = Math.min(one.best, await time(device, one.dispatch, count));
      }
      const best = tried.reduce((a, b) => (b.best < a.best ? b : a));
      tuning.set(keyOf(size), best.best < usual.best * (1 - WORTH) ? best.tiling : usual.tiling);
    }
    return tuning;
  } finally {
    for (const one of Object.values(buffers)) one.destroy();
  }
}

/** Milliseconds until `count` dispatches are through. */
async function time(device: GPUDevice, { pipeline, bindGroup, workgroups }: Dispatch, count: number): Promise<number> {
  const start = performance.now();
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  for (let i = 0; i < count; i++) pass.dispatchWorkgroups(workgroups);
  pass.end();
  device.queue.submit([encoder.finish()]);
  await device.queue.onSubmittedWorkDone();
  return performance.now() - start;
}
