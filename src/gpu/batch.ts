/**
 * Many pictures through one plan: the same kernels and weights, with the tokens of all pictures one below the other. A small network
 * keeps a wide GPU busy only that way. Made at the first batch; its activations are the batch's own.
 */
import type { Manifest, RouteSpec } from '../bundle/manifest';
import { asStitchError, type StitchError } from '../core/errors';
import type { EngineFrame } from '../engine/api';
import type { RunResult } from '../engine/executor';
import { type Answers, createAnswers } from './answer';
import type { VitFamily } from './families/vit';
import { createFrameInput, type FrameInput } from './frame-input';
import type { GpuCounters, PipelineCache } from './kernel';
import { createPlanner, type Plan, type Planner } from './plan';
import type { GpuQueue } from './queue';
import type { WeightStore } from './weights';

export interface Batch {
  /** As `Planner.plan`, for a whole batch. */
  plan(route: RouteSpec): Promise<Plan>;
  /** One to `images` pictures, in order; a picture that cannot be read has its error in place of an answer. */
  run(plan: Plan, frames: readonly EngineFrame[]): Promise<(RunResult['top'] | StitchError)[]>;
  dispose(): void;
}

export interface BatchParts {
  readonly device: GPUDevice;
  readonly manifest: Manifest;
  /** For `images` pictures. */
  readonly family: VitFamily;
  readonly images: number;
  readonly weights: WeightStore;
  readonly pipelines: PipelineCache;
  readonly counters: GpuCounters;
  readonly queue: GpuQueue;
}

/** Errors: shader, out-of-memory. */
export async function createBatch(parts: BatchParts): Promise<Batch> {
  const { device, manifest, family, images, weights, pipelines, counters, queue } = parts;
  const planner: Planner = createPlanner(device, family, weights, pipelines, counters);
  const patches = planner.activation('@patches');
  const input: FrameInput = await createFrameInput(device, manifest.input, family.patch, patches, pipelines, counters);
  const logits = planner.activation('@logits');
  const answers: Answers = await createAnswers(device, logits, { classes: manifest.classes, images }, pipelines, counters);
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
          const known = asStitchError(error);
          if (known.code !== 'frame-invalid') throw known;
          failed.set(i, known);
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
