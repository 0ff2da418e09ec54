/**
 * Many pictures through one plan: the same kernels and weights, with the tokens of all pictures one below the other. A small network
 * keeps a wide GPU busy only that way. Made at the first batch; its activations are the batch's own.
 */
import type { Manifest, RouteSpec } from '../bundle/manifest';
import { asStitchError, type StitchError } from '../core/errors';
import type { EngineFrame } from '../engine/api';
import type { RunResult } from '../engine/executor';
import { createAnswers } from './answer';
import type { VitFamily } from './families/vit';
import { createFrameInput } from './frame-input';
import type { GpuCounters, PipelineCache } from './kernel';
import { createPlanner, type Plan, type Planner } from './plan';
import { type GpuQueue, guarded } from './queue';
import type { WeightStore } from './weights';

type Answer = RunResult['top'] | StitchError;

export interface Batches {
  /** One to `images` pictures, in order; a picture that cannot be read has its error in place of an answer. Errors: device-lost, internal. */
  run(route: RouteSpec, frames: readonly EngineFrame[]): Promise<Answer[]>;
  dispose(): void;
}

interface Batch {
  /** As `Planner.plan`, for a whole batch. */
  plan(route: RouteSpec): Promise<Plan>;
  run(plan: Plan, frames: readonly EngineFrame[]): Promise<Answer[]>;
  dispose(): void;
}

export interface BatchParts {
  readonly device: GPUDevice;
  readonly manifest: Manifest;
  /** For `images` pictures. */
  readonly family: () => VitFamily;
  readonly images: number;
  readonly weights: WeightStore;
  readonly pipelines: PipelineCache;
  readonly counters: GpuCounters;
  readonly queue: GpuQueue;
}

/** What says of a device that it has no room for a batch, or cannot run its kernels. */
const CANNOT: ReadonlySet<string> = new Set(['out-of-memory', 'shader', 'unsupported']);

/** `alone` answers one picture: where no batch can be made, and for all from then on. */
export function createBatches(parts: BatchParts, alone: (route: RouteSpec, frame: EngineFrame) => Promise<Answer>): Batches {
  let batch: Batch | null | undefined;
  /** Kept only when all of it is known to be there. Null: one by one. */
  const open = async (route: RouteSpec): Promise<{ readonly made: Batch; readonly plan: Plan } | null> => {
    if (batch === null) return null;
    let made = batch;
    try {
      const plan = await guarded(parts.device, 'a batch', async () => {
        made ??= await createBatch(parts);
        return made.plan(route);
      });
      batch = made;
      return { made: made!, plan };
    } catch (error) {
      made?.dispose();
      batch = undefined;
      if (!CANNOT.has(asStitchError(error).code)) throw error;
      batch = null;
      return null;
    }
  };
  return {
    async run(route, frames) {
      const opened = await open(route);
      if (opened !== null) return opened.made.run(opened.plan, frames);
      const answers: Answer[] = [];
      for (const frame of frames) answers.push(await alone(route, frame).catch(frameError));
      return answers;
    },
    dispose() {
      batch?.dispose();
    },
  };
}

/** What concerns one picture alone. */
function frameError(error: unknown): StitchError {
  const known = asStitchError(error);
  if (known.code !== 'frame-invalid') throw known;
  return known;
}

/** Errors: shader, out-of-memory. */
async function createBatch(parts: BatchParts): Promise<Batch> {
  const { device, manifest, images, weights, pipelines, counters, queue } = parts;
  const family = parts.family();
  const planner: Planner = createPlanner(device, family, weights, pipelines, counters);
  const patches = planner.activation('@patches');
  const logits = planner.activation('@logits');
  const shape = { classes: manifest.classes, images };
  const [input, answers] = await Promise.all([
    createFrameInput(device, manifest.input, family.patch, patches, pipelines, counters),
    createAnswers(device, logits, shape, pipelines, counters),
  ]).catch((error: unknown): never => {
    planner.dispose();
    throw error;
  });
  const readback = device.createBuffer({
    label: '@batch.readback',
    size: answers.out.size,
    usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
  });
  counters.buffers += 1;
  return {
    plan: (route) => planner.plan(route),
    async run(plan, frames) {
      const failed = new Map<number, StitchError>();
      for (const [i, frame] of frames.entries()) {
        try {
          const dispatch = await input.upload(frame, i);
          // One submit a picture: the next upload overwrites the texture.
          const encoder = device.createCommandEncoder();
          const pass = encoder.beginComputePass();
          queue.encode(pass, [dispatch]);
          pass.end();
          queue.submit(encoder);
        } catch (error) {
          failed.set(i, frameError(error));
        }
      }
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      queue.encode(pass, plan.dispatches);
      queue.encode(pass, [answers.dispatch]);
      pass.end();
      encoder.copyBufferToBuffer(answers.out, 0, readback, 0, answers.out.size);
      queue.submit(encoder);
      const bytes = await queue.read(readback);
      return frames.map((_, i) => failed.get(i) ?? answers.parse(bytes, i, plan.route));
    },
    dispose() {
      input.dispose();
      planner.dispose();
      answers.out.destroy();
      readback.destroy();
    },
  };
}
