/** The device's queue: passes in, bytes back, and the news that the device is gone. */
import { asStitchError, StitchError } from '../core/errors';
import type { DeviceLoss } from '../engine/api';
import type { Dispatch, GpuCounters } from './kernel';

export interface GpuQueue {
  /** Resolves when the device is lost by other than `end`. */
  readonly lost: Promise<DeviceLoss>;
  encode(pass: GPUComputePassEncoder, dispatches: readonly Dispatch[]): void;
  submit(encoder: GPUCommandEncoder): void;
  /** What a read-back buffer holds when all that was submitted is done. Errors: disposed, device-lost. */
  read(buffer: GPUBuffer): Promise<ArrayBuffer>;
  /** The device is about to be destroyed by us. */
  end(): void;
}

/** How long the news of a lost device may take on a busy machine. */
const LOSS_MS = 2000;

export function createQueue(device: GPUDevice, counters: GpuCounters): GpuQueue {
  let ended = false;
  let loss: DeviceLoss | undefined;
  const lost = new Promise<DeviceLoss>((resolve) => {
    void device.lost.then(({ reason, message }) => {
      if (ended) return;
      loss = { reason: reason ?? 'unknown', message };
      resolve(loss);
    });
  });
  return {
    lost,
    encode(pass, dispatches) {
      let bound: GPUComputePipeline | undefined;
      for (const { pipeline, bindGroup, workgroups } of dispatches) {
        if (pipeline !== bound) pass.setPipeline(pipeline);
        bound = pipeline;
        pass.setBindGroup(0, bindGroup);
        pass.dispatchWorkgroups(workgroups);
      }
    },
    submit(encoder) {
      device.queue.submit([encoder.finish()]);
      counters.submits += 1;
    },
    async read(buffer) {
      try {
        await buffer.mapAsync(GPUMapMode.READ);
        const copy = buffer.getMappedRange().slice(0);
        buffer.unmap();
        return copy;
      } catch (error) {
        if (ended) throw new StitchError('disposed', 'The runtime was disposed while a frame was on its way. Make a new one.');
        // A lost device rejects the map before `device.lost` has run its reactions.
        await Promise.race([lost, new Promise((resolve) => setTimeout(resolve, LOSS_MS))]);
        if (loss === undefined) throw asStitchError(error);
        throw new StitchError('device-lost', `The GPU device was lost (${loss.message || loss.reason}).`, {
          reason: loss.reason,
        });
      }
    },
    end() {
      ended = true;
    },
  };
}

/** Makes one GPU object; null where there is no memory for it. Frames may run meanwhile: nothing of theirs is in the scope. */
export async function allocated<T extends { destroy(): void }>(device: GPUDevice, make: () => T): Promise<T | null> {
  device.pushErrorScope('out-of-memory');
  const made = make();
  // A lost device says so to whoever reads from it.
  const trouble = device.popErrorScope().catch(() => null);
  if ((await trouble) === null) return made;
  made.destroy();
  return null;
}

/** A device has one stack of error scopes: who is in the middle of one pops the other's. */
const lines = new WeakMap<GPUDevice, Promise<unknown>>();

/**
 * Runs `make`, which creates GPU objects, and no other such work of this device meanwhile; `make` does not call this. Errors:
 * out-of-memory, shader (what the GPU refuses), those of `make`.
 */
export function guarded<T>(device: GPUDevice, what: string, make: () => Promise<T>): Promise<T> {
  const turn = (lines.get(device) ?? Promise.resolve()).then(() => scoped(device, what, make));
  lines.set(
    device,
    turn.catch(() => {}),
  );
  return turn;
}

async function scoped<T>(device: GPUDevice, what: string, make: () => Promise<T>): Promise<T> {
  device.pushErrorScope('validation');
  device.pushErrorScope('out-of-memory');
  const made = await make().then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  // A lost device says so to whoever reads from it.
  const memory = await device.popErrorScope().catch(() => null);
  const validation = await device.popErrorScope().catch(() => null);
  // The scopes first: what failed in `make` is often only their consequence.
  if (memory !== null) {
    throw new StitchError('out-of-memory', `The GPU has no memory for ${what}: ${memory.message}. Load a smaller bundle.`);
  }
  if (validation !== null) {
    throw new StitchError(
      'shader',
      `The GPU refused ${what}: ${validation.message}. Use backend "wasm" and report the adapter.`,
    );
  }
  if ('error' in made) throw made.error;
  return made.value;
}
