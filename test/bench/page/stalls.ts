/** Whether loading holds frames up: frames at a camera's pace while the rest loads, against the same routes afterwards. */
import { type PixelFrame, type Runtime, StitchError } from '../../../src/index';

/** Times by the page's own clock, because a frame may be held up before the worker accepts it. */
export interface Stalls {
  readonly framesWhileLoading: number;
  /** Frame time while loading over the median of its route. */
  readonly worstRatio: number;
  readonly p95Ratio: number;
  readonly worstRoute: string;
  readonly worstMs: number;
  /** Of that route when nothing loads. */
  readonly medianMs: number;
  /** The worst frame when nothing loads over its route's median: what the machine itself does. */
  readonly restRatio: number;
}

interface Seen {
  readonly route: string;
  readonly ms: number;
}

/** Between two pictures of a camera at 30 frames a second. */
const PICTURE_MS = 33;
/** Longer than measuring the device takes. */
const MEASURING_MS = 30_000;
/** Frames of a route from which its median is taken. */
const FRAMES = 25;

/** Begin while `runtime` loads; ends when it has, and the routes that ran have been timed again. */
export async function watchLoading(runtime: Runtime, frame: PixelFrame): Promise<Stalls> {
  const seen: Seen[] = [];
  let loading = true;
  const measured = new Promise<unknown>((resolve) => runtime.on('profile', resolve));
  const loaded = runtime.loaded.finally(() => (loading = false));
  while (loading) seen.push(...(await run(runtime, frame)));
  await loaded;
  // Then the device is measured anew, unless the bundle brought times; frames would wait for that.
  if (runtime.profile.source !== 'priors')
    await Promise.race([measured, new Promise((resolve) => setTimeout(resolve, MEASURING_MS))]);
  const usual = new Map<string, number>();
  let restRatio = 0;
  for (const route of new Set(seen.map((one) => one.route))) {
    const times: number[] = [];
    while (times.length < FRAMES) times.push(...(await run(runtime, frame, route)).map(({ ms }) => ms));
    const sorted = times.toSorted((a, b) => a - b);
    const median = sorted[FRAMES >> 1] ?? Number.NaN;
    usual.set(route, median);
    restRatio = Math.max(restRatio, (sorted.at(-1) ?? Number.NaN) / median);
  }
  const ratioOf = ({ route, ms }: Seen): number => ms / (usual.get(route) ?? Number.NaN);
  const ranked = seen.toSorted((a, b) => ratioOf(a) - ratioOf(b));
  const worst = ranked.at(-1) ?? { route: '', ms: Number.NaN };
  return {
    framesWhileLoading: seen.length,
    worstRatio: ratioOf(worst),
    p95Ratio: ratioOf(ranked[Math.floor(ranked.length * 0.95)] ?? worst),
    worstRoute: worst.route,
    worstMs: worst.ms,
    medianMs: usual.get(worst.route) ?? Number.NaN,
    restRatio,
  };
}

/** One frame, and the time to the next picture. None where the device is being measured and the frame refused. */
async function run(runtime: Runtime, frame: PixelFrame, route?: string): Promise<Seen[]> {
  const start = performance.now();
  try {
    const answer = await runtime.classify(frame, route === undefined ? {} : { route });
    return [{ route: answer.route, ms: performance.now() - start }];
  } catch (error) {
    if (error instanceof StitchError && error.code === 'busy') return [];
    throw error;
  } finally {
    await new Promise((resolve) => setTimeout(resolve, PICTURE_MS));
  }
}

/** One sentence. */
export function stallText({
  framesWhileLoading,
  worstRatio,
  p95Ratio,
  worstRoute,
  worstMs,
  medianMs,
  restRatio,
}: Stalls): string {
  if (framesWhileLoading === 0) return 'no frame ran while the rest loaded';
  const worst = `worst ${worstRatio.toFixed(2)} × its route's median (${worstRoute}: ${worstMs.toFixed(1)} ms, usually ${medianMs.toFixed(1)} ms)`;
  return `${framesWhileLoading} frames while the rest loaded: ${worst}, p95 ${p95Ratio.toFixed(2)} ×; when nothing loads worst ${restRatio.toFixed(2)} ×`;
}
