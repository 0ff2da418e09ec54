/** The page behind `npm run classify`: the public API in a headless browser, driven from Node. */
import { createRuntime, StitchError, type LoadProgress, type Runtime } from '../../index';
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
    onProgress: report,
    ...(latencyMs === undefined ? {} : { budget: { latencyMs } }),
  });
  const { bundle, device, routes, budget } = runtime;
  return {
    bundle: { name: bundle.name, version: bundle.version },
    executor: device.executor,
    reason: device.reason,
    ...(device.adapter === undefined ? {} : { adapter: device.adapter }),
    latencyMs: budget.latencyMs,
    routes: routes.map(({ id }) => id),
  };
}

const api: PageApi = {
  load: (options) => answer(() => load(options)),
  classify: (url, route) =>
    answer(async () => {
      if (runtime === undefined) throw new Error('classify was called before load');
      const photo = await (await fetch(url)).blob();
      return await runtime.classify(photo, route === undefined ? {} : { route });
    }),
};
globals.runningStitch = api;
