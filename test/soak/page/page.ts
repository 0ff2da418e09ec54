/** The page behind `npm run soak`: what a page can do to a runtime, for hours. Driven from Node (soak.ts). */
import {
  createRuntime,
  type BackendChoice,
  type EngineStats,
  type ExecutorKind,
  type Healing,
  type PixelFrame,
  type Runtime,
  StitchError,
} from '../../../src/index';
import { type Stalls, watchLoading } from '../../bench/page/stalls';

export interface SoakRequest {
  readonly manifest: string;
  readonly backend: BackendChoice;
}

/** Where the device is lost. */
export type Stage = 'idle' | 'frame' | 'load' | 'calibration';

export interface Healed extends Healing {
  readonly stage: Stage;
  readonly sameRoute: boolean;
}

export interface Visited {
  readonly executor: ExecutorKind;
  /** Routes that could run when the first answer came, after what was planned, and after everything was asked for. */
  readonly first: number;
  readonly planned: number;
  readonly all: number;
  readonly passed: boolean;
  /** Why not everything was planned. */
  readonly limits: readonly string[];
}

export interface SoakGlobals {
  /** Creates, asks and disposes `count` runtimes, one after the other. */
  cycles(request: SoakRequest, count: number): Promise<void>;
  open(request: SoakRequest): Promise<void>;
  /** Runs frames of changing size on changing routes of the open runtime. */
  frames(count: number): Promise<EngineStats>;
  close(): Promise<void>;
  /** Loses the device of a runtime at this stage and waits until it is back. */
  heal(request: SoakRequest, stage: Stage): Promise<Healed>;
  /** Loads with the store, as a visitor does. Its code and message where that fails. */
  visit(request: SoakRequest): Promise<Visited | { readonly failed: string }>;
  /** Frames while the rest loads, against the same routes afterwards. */
  stalls(request: SoakRequest): Promise<Stalls>;
}

const frameOf = (side: number): PixelFrame => ({
  data: Uint8ClampedArray.from({ length: side * side * 4 }, (_, i) => (i * 31) % 251),
  width: side,
  height: side,
});

let open: Runtime | undefined;
let frames = 0;

/** A worker whose device can be lost: the engine's own, started by a module that keeps hold of the device. */
let worker: Worker | undefined;
const losing = (): Worker =>
  (worker = new Worker(new URL('../../browser/runtime/losing.worker.ts', import.meta.url), { type: 'module' }));
const lose = (): void => worker?.postMessage('lose the device');
const once = (runtime: Runtime): Promise<Healing> =>
  new Promise((resolve, reject) => {
    runtime.on('healed', resolve);
    runtime.on('error', (error) => !error.recoverable && reject(error));
  });

async function heal({ manifest, backend }: SoakRequest, stage: Stage): Promise<Healed> {
  const waitFor = stage === 'load' ? 'first' : 'all';
  const runtime = await createRuntime({ bundle: manifest, backend, worker: losing, waitFor });
  try {
    const healed = once(runtime);
    if (stage !== 'load') {
      const top = runtime.ladder.at(-1);
      if (top) runtime.mode = { kind: 'lock', route: top.id };
      await runtime.classify(frameOf(64));
    }
    const { route } = runtime;
    const pending = stage === 'frame' ? runtime.classify(frameOf(1024)).catch(() => {}) : undefined;
    // The frame is with the worker by then.
    if (pending) await new Promise((resolve) => setTimeout(resolve, 5));
    if (stage !== 'calibration') lose();
    else await runtime.calibrate({ maxMs: 2000, onProgress: ({ done }) => done > 0 && done < 4 && lose() });
    await pending;
    const healing = await healed;
    const answer = await runtime.classify(frameOf(64));
    await runtime.loaded;
    return { ...healing, stage, sameRoute: stage === 'load' || answer.route === route };
  } finally {
    await runtime.dispose();
  }
}

async function visit({ manifest, backend }: SoakRequest): Promise<Visited | { readonly failed: string }> {
  const ready = (runtime: Runtime) => runtime.routes.filter(({ available }) => available).length;
  try {
    const runtime = await createRuntime({ bundle: manifest, backend });
    const first = ready(runtime);
    await runtime.classify(frameOf(64));
    await runtime.loaded;
    const planned = ready(runtime);
    await runtime.loadMore(runtime.anchors.at(-1)?.id);
    const { passed } = await runtime.selfCheck();
    const limits = runtime.tiers.flatMap(({ limit }) => (limit === undefined ? [] : [limit]));
    const visited = { executor: runtime.device.executor, first, planned, all: ready(runtime), passed, limits };
    await runtime.dispose();
    return visited;
  } catch (error) {
    return { failed: error instanceof StitchError ? `${error.code}: ${error.message}` : String(error) };
  }
}

async function stalls({ manifest, backend }: SoakRequest): Promise<Stalls> {
  const runtime = await createRuntime({ bundle: manifest, backend, cache: false, guardPage: false });
  const frame = frameOf(256);
  // The first frame of all pays for its size.
  await runtime.classify(frame);
  const found = await watchLoading(runtime, frame);
  await runtime.dispose();
  return found;
}

const globals: SoakGlobals = {
  async cycles({ manifest, backend }, count) {
    for (let i = 0; i < count; i++) {
      const runtime = await createRuntime({ bundle: manifest, backend, cache: false });
      await runtime.classify(frameOf(16));
      // Half of them in the middle of loading.
      if (i % 2 === 0) await runtime.loaded;
      await runtime.dispose();
    }
  },
  async open({ manifest, backend }) {
    open = await createRuntime({ bundle: manifest, backend, cache: false, waitFor: 'all', guardPage: false });
  },
  async frames(count) {
    if (open === undefined) throw new Error('open() was not called');
    const { routes } = open;
    for (let i = 0; i < count; i++, frames++) {
      const route = routes[frames % routes.length];
      await open.classify(frameOf(16 + (frames % 3) * 8), route === undefined ? {} : { route: route.id });
    }
    return open.stats();
  },
  async close() {
    await open?.dispose();
    open = undefined;
  },
  heal,
  visit,
  stalls,
};
Object.assign(globalThis, { soak: globals });
