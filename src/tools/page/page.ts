/** The page behind `npm run classify` and `npm run model -- profile`: the public API in a headless browser, driven from Node. */
import {
  createRuntime,
  StitchError,
  type Classification,
  type FrameSource,
  type LoadProgress,
  type Runtime,
} from '../../index';
import type { Answer, Failure, Loaded, LoadOptions, PageApi, PageGlobals } from './protocol';

const globals = globalThis as unknown as PageGlobals;
let runtime: Runtime | undefined;

function failure(error: unknown): { error: Failure } {
  if (error instanceof StitchError) return { error: { code: error.code, message: error.message } };
  return { error: { code: 'internal', message: error instanceof Error ? error.message : String(error) } };
}

async function answer<T>(work: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    return failure(error);
  }
}

function report({ phase, bytesLoaded, bytesTotal }: LoadProgress): void {
  void globals.onLoadProgress?.(phase, bytesTotal > 0 ? bytesLoaded / bytesTotal : 0);
}

async function load({ manifest, backend, latencyMs }: LoadOptions): Promise<Loaded> {
  runtime = await createRuntime({
    bundle: manifest,
    backend,
    cache: false,
    persist: false,
    waitFor: 'all',
    onProgress: report,
    ...(latencyMs === undefined ? {} : { budget: { latencyMs } }),
  });
  const { anchors, bundle, device, routes, budget } = runtime;
  // A page may leave the largest anchors out where memory is short; whoever asks a tool for a route means that route.
  await runtime.loadMore(anchors.at(-1)?.id);
  return {
    bundle: { name: bundle.name, version: bundle.version },
    executor: device.executor,
    reason: device.reason,
    ...(device.adapter === undefined ? {} : { adapter: device.adapter }),
    latencyMs: budget.latencyMs,
    routes: routes.map(({ id }) => id),
  };
}

/** The runtime may be measuring the device, which takes seconds: a person would try again, and so does this page. */
const BUSY_MS = 60_000;
const PAUSE_MS = 50;

async function classify(running: Runtime, source: FrameSource, route?: string): Promise<Classification> {
  const until = performance.now() + BUSY_MS;
  for (;;) {
    try {
      return await running.classify(source, route === undefined ? {} : { route });
    } catch (error) {
      if (!(error instanceof StitchError) || error.code !== 'busy' || performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

/** Side of the frame that is timed, as a multiple of the network's input: a real frame is larger than that input. */
const FRAME_SCALE = 4;

async function time(running: Runtime, route: string, frames: number): Promise<readonly number[]> {
  const side = running.inputSize * FRAME_SCALE;
  const data = Uint8ClampedArray.from({ length: side * side * 4 }, (_, i) => (i * 31) % 251);
  const samples: number[] = [];
  for (let i = 0; i <= frames; i += 1) {
    const { timing } = await classify(running, { data, width: side, height: side }, route);
    samples.push(timing.totalMs);
  }
  return samples.slice(1);
}

function started(): Runtime {
  if (runtime === undefined) throw new Error('load comes first');
  return runtime;
}

const api: PageApi = {
  load: (options) => answer(() => load(options)),
  classify: (url, route) =>
    answer(async () => {
      const running = started();
      const photo = await (await fetch(url)).blob();
      return await classify(running, photo, route);
    }),
  time: (route, frames) => answer(() => time(started(), route, frames)),
};
globals.runningStitch = api;
