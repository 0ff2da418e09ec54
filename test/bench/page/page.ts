/** The page behind `npm run bench`: drives the public API and hands back raw timings. */
import {
  type BackendChoice,
  createRuntime,
  type DeviceInfo,
  type EngineStats,
  type PixelFrame,
  type RouteInfo,
  type Runtime,
  type Timing,
} from '../../../src/index';
import { type Stalls, watchLoading } from './stalls';
import { measureThroughput, type Throughput } from './throughput';

export interface BenchRequest {
  readonly manifest: string;
  readonly backend: BackendChoice;
  /** The anchors up to this one are loaded, whatever the device's memory would plan. */
  readonly maxAnchor: string;
  /** Of the frame, pixels. */
  readonly width: number;
  readonly height: number;
}

export interface LoadTimes {
  readonly device: DeviceInfo;
  /** Until `createRuntime` resolves, ms. */
  readonly readyMs: number;
  /** Until the first answer, ms. */
  readonly firstAnswerMs: number;
  /** Until every route is available, while frames run, ms. */
  readonly allMs: number;
  readonly stalls: Stalls;
}

export interface RouteSamples {
  readonly route: RouteInfo;
  /** First frame of each visit: the frame after a switch. */
  readonly switched: Timing[];
  readonly steady: Timing[];
}

export interface Rounds {
  readonly samples: RouteSamples[];
  /** The steady frames again, visit by visit in the order of time. */
  readonly visits: readonly { readonly route: string; readonly steady: readonly Timing[] }[];
  readonly before: EngineStats;
  readonly after: EngineStats;
}

export interface BenchGlobals {
  bench: {
    load(request: BenchRequest): Promise<LoadTimes>;
    /** Every round visits every route once, in rotated order, for `frames` frames. */
    rounds(rounds: number, frames: number): Promise<Rounds>;
    /** On the cheapest and the dearest route, over `pictures` a round. */
    throughput(pictures: number, rounds: number): Promise<Throughput[]>;
    /** Frames on one route, in order, and what the engine counts afterwards. */
    soak(route: string, frames: number): Promise<EngineStats>;
    dispose(): Promise<void>;
  };
}

let runtime: Runtime;
let frame: PixelFrame;

(globalThis as unknown as BenchGlobals).bench = {
  async load({ manifest, backend, maxAnchor, width, height }) {
    const start = performance.now();
    // As a visitor's first start: what loads is stored, and the device's fastest kernels are measured. The guard would hold back frames
    // where the page stutters; here nothing else runs.
    runtime = await createRuntime({ bundle: manifest, backend, maxAnchor, guardPage: false });
    const readyMs = performance.now() - start;
    const data = Uint8ClampedArray.from({ length: width * height * 4 }, (_, i) => (i * 31) % 251);
    frame = { data, width, height };
    // The frame's size is known from here on, as with a camera.
    await runtime.classify(frame);
    const firstAnswerMs = performance.now() - start;
    const all = runtime.loaded.then(() => performance.now() - start);
    const stalls = await watchLoading(runtime, frame);
    return { device: runtime.device, readyMs, firstAnswerMs, allMs: await all, stalls };
  },
  async rounds(rounds, frames) {
    const available = runtime.routes.filter((route) => route.available);
    const samples = available.map((route): RouteSamples => ({ route, switched: [], steady: [] }));
    for (const { route } of samples) await runtime.classify(frame, { route: route.id });
    const visits: { route: string; steady: Timing[] }[] = [];
    const before = await runtime.stats();
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < samples.length; i++) {
        // Neighbours change from round to round, so that no route always follows the same one.
        const at = samples[(i * strideOf(round, samples.length) + round) % samples.length];
        if (at === undefined) continue;
        const steady: Timing[] = [];
        for (let f = 0; f < frames; f++) {
          const { timing } = await runtime.classify(frame, { route: at.route.id });
          (f === 0 ? at.switched : steady).push(timing);
        }
        at.steady.push(...steady);
        visits.push({ route: at.route.id, steady });
      }
    }
    return { samples, visits, before, after: await runtime.stats() };
  },
  throughput(pictures, rounds) {
    const byCost = runtime.routes.filter(({ available }) => available).toSorted((a, b) => a.macs - b.macs);
    const ends = [byCost[0], byCost.at(-1)].flatMap((route) => route?.id ?? []);
    return measureThroughput(runtime, frame, [...new Set(ends)], pictures, rounds);
  },
  async soak(route, frames) {
    for (let i = 0; i < frames; i++) await runtime.classify(frame, { route });
    return await runtime.stats();
  },
  dispose: () => runtime.dispose(),
};

/** A step that meets every one of `count` places: the next number after `round` without a common factor. */
function strideOf(round: number, count: number): number {
  const factor = (a: number, b: number): number => (b === 0 ? a : factor(b, a % b));
  let stride = (round % count) + 1;
  while (factor(stride, count) !== 1) stride += 1;
  return stride;
}
