/** A runtime whose device and worker can be taken away, and what it says of that. */
import { expect, onTestFinished } from 'vitest';
import {
  createRuntime,
  type DeviceLoss,
  type Healing,
  type PixelFrame,
  type Runtime,
  type RuntimeOptions,
  StitchError,
} from '../../../src/index';

const BUNDLE = new URL('../../fixtures/tiny/manifest.json', import.meta.url);

export const grey = (side: number): PixelFrame => ({
  data: new Uint8ClampedArray(side * side * 4).fill(120),
  width: side,
  height: side,
});

/** The typed error of a call that must fail. */
export async function failure(call: Promise<unknown>): Promise<StitchError> {
  const outcome = await call.then(
    () => new Error('It should have failed.'),
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(StitchError);
  return outcome as StitchError;
}

interface Patient {
  readonly runtime: Runtime;
  readonly losses: DeviceLoss[];
  readonly healings: Healing[];
  readonly errors: StitchError[];
  /** Names of the workers started so far. */
  readonly workers: string[];
  /** Names of the workers that asked the server for the manifest, once for each time. */
  readonly askers: string[];
  lose(): void;
  die(): void;
  fillTheStore(): void;
  healed(times: number): Promise<void>;
}

/**
 * Until the test ends. `names`: of the workers, in the order in which they are started; the last one goes on.
 */
export async function admit(options: Partial<RuntimeOptions> = {}, names: readonly string[] = ['']): Promise<Patient> {
  const workers: string[] = [];
  const askers: string[] = [];
  let worker: Worker | undefined;
  const runtime = await createRuntime({
    bundle: BUNDLE,
    backend: 'webgpu',
    cache: false,
    waitFor: 'all',
    worker() {
      const name = names[Math.min(workers.length, names.length - 1)] ?? '';
      workers.push(name);
      worker = new Worker(new URL('./losing.worker.ts', import.meta.url), { type: 'module', name });
      worker.addEventListener('message', ({ data }) => data === 'asked for the manifest' && askers.push(name));
      return worker;
    },
    ...options,
  });
  const losses: DeviceLoss[] = [];
  const healings: Healing[] = [];
  const errors: StitchError[] = [];
  runtime.on('lost', (loss) => losses.push(loss));
  runtime.on('healed', (healing) => healings.push(healing));
  runtime.on('error', (error) => errors.push(error));
  onTestFinished(() => runtime.dispose());
  return {
    runtime,
    losses,
    healings,
    errors,
    workers,
    askers,
    lose: () => worker?.postMessage('lose the device'),
    die: () => worker?.postMessage('die'),
    fillTheStore: () => worker?.postMessage('fill the store'),
    healed: (times) => expect.poll(() => healings.length, { timeout: 60_000 }).toBe(times),
  };
}
