/**
 * A forward pass in pieces, for checks while frames run: short enough that a frame which comes meanwhile waits little. Frames
 * overwrite the activations, so they are put aside after each piece and back before the next.
 */
import { StitchError } from '../core/errors';
import type { Pause } from '../engine/executor';
import type { Dispatch, GpuCounters } from './kernel';
import { allocated, type GpuQueue } from './queue';

/** How much longer a frame may take for a piece before it, as a share of its time. */
const SHARE = 0.15;
/** For a piece while no frame's time is known, ms. */
const ALONE_MS = 30;
/** Dispatches of the first piece, before any was timed. */
const FIRST = 4;

export interface Pieces {
  /**
   * Runs the dispatches in order on what `first` writes into the activations; `last` adds to the pass's encoder at the end. Errors:
   * out-of-memory, those of `pause`.
   */
  run(
    dispatches: readonly Dispatch[],
    pause: Pause,
    first: () => void,
    last: (encoder: GPUCommandEncoder) => void,
  ): Promise<void>;
  /** One frame's time, ms: pieces are short against it. */
  frame(ms: number): void;
}

/** `activations`: all that a frame overwrites; sizes are multiples of 4 bytes. */
export function createPieces(
  device: GPUDevice,
  queue: GpuQueue,
  activations: readonly GPUBuffer[],
  counters: GpuCounters,
): Pieces {
  /** Many drivers finish compiling at the first dispatch. */
  const dispatched = new WeakSet<GPUComputePipeline>();
  let frameMs: number | undefined;
  let dispatchMs: number | undefined;

  /** How many from `at` make the next piece. A pipeline that was never run is alone in its piece, because that may take long. */
  const count = (dispatches: readonly Dispatch[], at: number): number => {
    const most =
      dispatchMs === undefined ? FIRST : Math.max(1, Math.floor(((frameMs ?? ALONE_MS / SHARE) * SHARE) / dispatchMs));
    const rest = dispatches.slice(at, at + most);
    const unknown = rest.findIndex(({ pipeline }) => !dispatched.has(pipeline));
    return unknown < 0 ? rest.length : Math.max(1, unknown);
  };

  return {
    frame(ms) {
      // The fastest of late: what a frame takes with nothing before it.
      frameMs = Math.min(ms, (frameMs ?? ms) * 1.05);
    },
    async run(dispatches, pause, first, last) {
      const size = activations.reduce((sum, one) => sum + one.size, 0);
      const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      const fits = size <= device.limits.maxBufferSize;
      const aside = fits ? await allocated(device, () => device.createBuffer({ label: '@aside', size, usage })) : null;
      if (aside === null) {
        throw new StitchError('out-of-memory', `The GPU has no memory for a check (${size} bytes). Load a smaller bundle.`, {
          size,
        });
      }
      counters.buffers += 1;
      // Not before the wait, in which a frame may have run.
      first();
      const copy = (encoder: GPUCommandEncoder, back: boolean): void => {
        let offset = 0;
        for (const buffer of activations) {
          const [from, to] = back ? [aside, buffer] : [buffer, aside];
          encoder.copyBufferToBuffer(from, back ? offset : 0, to, back ? 0 : offset, buffer.size);
          offset += buffer.size;
        }
      };
      try {
        for (let at = 0; at < dispatches.length;) {
          const next = dispatches.slice(at, at + count(dispatches, at));
          const encoder = device.createCommandEncoder();
          if (at > 0) copy(encoder, true);
          const pass = encoder.beginComputePass();
          queue.encode(pass, next);
          pass.end();
          at += next.length;
          if (at < dispatches.length) copy(encoder, false);
          else last(encoder);
          const start = performance.now();
          queue.submit(encoder);
          if (at === dispatches.length) return;
          await device.queue.onSubmittedWorkDone();
          if (next.every(({ pipeline }) => dispatched.has(pipeline))) {
            const ms = (performance.now() - start) / next.length;
            dispatchMs = dispatchMs === undefined ? ms : Math.min(ms, dispatchMs * 1.25);
          }
          for (const { pipeline } of next) dispatched.add(pipeline);
          await pause();
        }
      } finally {
        aside.destroy();
      }
    },
  };
}
