/** Pictures a second by the three ways to run many: one by one, `watch` with and without overlap, and batches. */
import type { PixelFrame, Runtime } from '../../../src/index';

/** Of one route, one sample a round. */
export interface Throughput {
  readonly route: string;
  /** `classify`, each awaited: pictures a second. */
  readonly oneByOne: number[];
  /** `watch` on a source that always has a picture; at most one an animation frame. */
  readonly watched: number[];
  readonly overlapped: number[];
  /** Median latencies of those, ms. */
  readonly watchedMs: number[];
  readonly overlappedMs: number[];
  /** `classifyAll`. */
  readonly batches: number[];
}

/** Every round runs every way once, on each route, over `pictures` pictures. The runtime's mode is free again afterwards. */
export async function measureThroughput(
  runtime: Runtime,
  frame: PixelFrame,
  routes: readonly string[],
  pictures: number,
  rounds: number,
): Promise<Throughput[]> {
  const all = routes.map((route): Throughput => ({ route, oneByOne: [], watched: [], overlapped: [], watchedMs: [], overlappedMs: [], batches: [] })); // prettier-ignore
  // A budget that every route keeps: the target bounds how early a frame may set out.
  runtime.budget = { latencyMs: 60_000, energy: 'performance' };
  for (let round = -1; round < rounds; round++) {
    for (const one of all) {
      const { route } = one;
      runtime.mode = { kind: 'lock', route };
      const oneByOne = await perSecond(pictures, async () => {
        for (let i = 0; i < pictures; i++) await runtime.classify(frame);
      });
      const plain = await watchFor(runtime, frame, pictures, false);
      const overlapped = await watchFor(runtime, frame, pictures, true);
      const photos = Array.from({ length: pictures }, () => frame);
      const batches = await perSecond(pictures, async () => {
        for await (const { error } of runtime.classifyAll(photos)) if (error) throw error;
      });
      // The first round compiles the batch's plan.
      if (round < 0) continue;
      one.oneByOne.push(oneByOne);
      one.watched.push(plain.perSecond);
      one.watchedMs.push(plain.medianMs);
      one.overlapped.push(overlapped.perSecond);
      one.overlappedMs.push(overlapped.medianMs);
      one.batches.push(batches);
    }
  }
  runtime.mode = { kind: 'auto' };
  return all;
}

async function perSecond(count: number, work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return (count * 1000) / (performance.now() - start);
}

/** From the first answer, so that the start does not count. */
async function watchFor(runtime: Runtime, frame: PixelFrame, pictures: number, overlap: boolean) {
  const latencies: number[] = [];
  let first = 0;
  let stop = (): void => {};
  await new Promise<void>((resolve, reject) => {
    stop = runtime.watch(() => frame, {
      overlap,
      onResult({ timing }) {
        if (first === 0) first = performance.now();
        else latencies.push(timing.totalMs);
        if (latencies.length === pictures) resolve();
      },
      onError: reject,
    });
  }).finally(() => stop());
  const ms = performance.now() - first;
  // What is still on its way would be in the next one's.
  await runtime.classify(frame);
  return { perSecond: (pictures * 1000) / ms, medianMs: latencies.toSorted((a, b) => a - b)[pictures >> 1] ?? Number.NaN };
}
