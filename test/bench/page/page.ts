/** The page behind `npm run bench`: drives the public API and hands back raw timings. */
import {
  type BackendChoice,
  createRuntime,
  type DeviceInfo,
  type EngineStats,
  type RouteInfo,
  type Timing,
} from '../../../src/index';

export interface BenchRequest {
  readonly manifest: string;
  readonly backend: BackendChoice;
  /** Every round visits every route once, in rotated order. */
  readonly rounds: number;
  /** Frames a visit; the first is the one after a switch. */
  readonly frames: number;
  readonly width: number;
  readonly height: number;
}

export interface RouteSamples {
  readonly route: RouteInfo;
  /** First frame of each visit: the frame after a switch. */
  readonly switched: Timing[];
  readonly steady: Timing[];
}

export interface BenchAnswer {
  readonly device: DeviceInfo;
  readonly loadMs: number;
  readonly firstAnswerMs: number;
  readonly samples: RouteSamples[];
  readonly before: EngineStats;
  readonly after: EngineStats;
}

export interface BenchGlobals {
  bench(request: BenchRequest): Promise<BenchAnswer>;
}

async function bench({ manifest, backend, rounds, frames, width, height }: BenchRequest): Promise<BenchAnswer> {
  const start = performance.now();
  const runtime = await createRuntime({ bundle: manifest, backend, cache: false });
  const loadMs = performance.now() - start;
  const data = Uint8ClampedArray.from({ length: width * height * 4 }, (_, i) => (i * 31) % 251);
  const frame = { data, width, height };
  const samples = runtime.routes.map((route): RouteSamples => ({ route, switched: [], steady: [] }));
  // The frame's size is known from here on, as with a camera.
  await runtime.classify(frame);
  const firstAnswerMs = performance.now() - start;
  for (const { route } of samples) await runtime.classify(frame, { route: route.id });
  const before = await runtime.stats();
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < samples.length; i++) {
      // Neighbours change from round to round, so that no route always follows the same one.
      const at = samples[(i * (round + 1) + round) % samples.length] ?? samples[0];
      if (at === undefined) continue;
      for (let f = 0; f < frames; f++) {
        const { timing } = await runtime.classify(frame, { route: at.route.id });
        (f === 0 ? at.switched : at.steady).push(timing);
      }
    }
  }
  const after = await runtime.stats();
  const { device } = runtime;
  await runtime.dispose();
  return { device, loadMs, firstAnswerMs, samples, before, after };
}

(globalThis as unknown as BenchGlobals).bench = bench;
