/**
 * How many rows one invocation of a GEMM computes. More rows read the weights less often; fewer make more invocations, which a wide
 * GPU needs to be busy with a small matrix. No rule knows which it is, so the device is asked: once, on its first load.
 */
import type { AdapterSummary } from '../engine/api';
import type { Kept } from '../core/kept';
import { VERSION } from '../core/version';
import { bind, type Dispatch, newCounters, type PipelineCache } from './kernel';
import { gemmKernel, type GemmShape, gemmWorkgroups, TILE_COLUMNS } from './kernels/gemm';

/** A linear layer's size: x [m, k] · W [k, n]. */
export interface Size {
  readonly m: number;
  readonly k: number;
  readonly n: number;
}

/** Rows by size. */
export type Tuning = ReadonlyMap<string, number>;

/** Where nothing was measured. */
export const DEFAULT_ROWS = 4;
const CANDIDATES = [2, 4, 8] as const;
/** Another number of rows has to be better by this share: timings are noisy, and compiled kernels are shared. */
const WORTH = 0.05;
/** Longest time for all of it, ms. Sizes that it does not suffice for take the rows of the nearest one that was measured. */
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

/** The rows for a size: as measured, else as for the nearest in work. */
export function rowsFor(tuning: Tuning, size: Size): number {
  const exact = tuning.get(keyOf(size));
  if (exact !== undefined) return exact;
  const far = (key: string) => Math.abs(work(sizeOf(key)) - work(size));
  const [nearest] = [...tuning].sort(([a], [b]) => far(a) - far(b));
  return nearest?.[1] ?? DEFAULT_ROWS;
}

/**
 * What this device is fastest with, kept or measured now (then kept). Where nothing can be kept nothing is measured either: every
 * start would pay for it. Never throws: a device that cannot say gets the default.
 */
export async function tune(
  device: GPUDevice,
  pipelines: PipelineCache,
  adapter: AdapterSummary,
  sizes: readonly Size[],
  kept: Kept,
): Promise<Tuning> {
  if (!kept.enabled) return new Map();
  const key = `tuning:${VERSION} ${adapter.vendor} ${adapter.architecture} ${adapter.description}`;
  const known = readTuning(await kept.read(key));
  // One start pays, for as much as there was time for; what is missing takes after the nearest.
  if (sizes.length === 0 || sizes.some((size) => known.has(keyOf(size)))) return known;
  const measured = await measureAll(device, pipelines, sizes).catch((): Tuning => new Map());
  const tuning = new Map([...known, ...measured]);
  if (measured.size > 0) await kept.write(key, Object.fromEntries(tuning));
  return tuning;
}

function readTuning(found: unknown): Map<string, number> {
  if (typeof found !== 'object' || found === null) return new Map();
  const isOurs = ([key, rows]: [string, unknown]) => /^\d+x\d+x\d+$/.test(key) && CANDIDATES.some((one) => one === rows);
  return new Map(Object.entries(found).filter(isOurs) as [string, number][]);
}

async function measureAll(device: GPUDevice, pipelines: PipelineCache, sizes: readonly Size[]): Promise<Tuning> {
  const deadline = performance.now() + BUDGET_MS;
  const tuning = new Map<string, number>();
  const most = (f: (size: Size) => number) => Math.max(...sizes.map(f));
  const buffer = (bytes: number) => device.createBuffer({ size: Math.ceil(bytes / 16) * 16, usage: GPUBufferUsage.STORAGE });
  const wide = (n: number) => Math.ceil(n / TILE_COLUMNS) * TILE_COLUMNS;
  const x = buffer(most(({ m, k }) => m * k * 4));
  const w = buffer(most(({ k, n }) => k * wide(n) * 2));
  const bias = buffer(most(({ n }) => wide(n) * 2));
  const out = buffer(most(({ m, n }) => m * n * 4));
  try {
    for (const size of sizes) {
      const tried: { readonly rows: number; readonly dispatch: Dispatch; best: number }[] = [];
      for (const rows of CANDIDATES) {
        if (performance.now() > deadline) return tuning;
        const shape: GemmShape = { ...size, rows, weights: 'f16', epilogue: 'plain', stats: false };
        const pipeline = await pipelines.get(gemmKernel(shape));
        const resources = [x, w, bias, out].map((one) => ({ buffer: one }));
        const bindGroup = bind(device, newCounters(), pipeline, resources);
        tried.push({ rows, dispatch: { pipeline, bindGroup, workgroups: gemmWorkgroups(shape) }, best: Infinity });
      }
      // The first one warms up, and says how many make a time that can be told from the submit's own.
      let count = 1;
      const base = tried[1]!.dispatch;
      while (count < MOST_DISPATCHES && (await time(device, base, count)) < LEAST_MS) count *= 2;
      for (let round = 0; round < ROUNDS; round++) {
        for (const one of tried) one.best = Math.min(one.best, await time(device, one.dispatch, count));
      }
      const usual = tried.find(({ rows }) => rows === DEFAULT_ROWS)!;
      const best = tried.reduce((a, b) => (b.best < a.best ? b : a));
      tuning.set(keyOf(size), best.best < usual.best * (1 - WORTH) ? best.rows : DEFAULT_ROWS);
    }
    return tuning;
  } finally {
    for (const one of [x, w, bias, out]) one.destroy();
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
