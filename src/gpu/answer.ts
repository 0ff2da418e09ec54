/** The end of every plan: logits → the best classes, read back as a few bytes a picture. */
import { StitchError } from '../core/errors';
import { TOP_K } from '../core/topk';
import type { RunResult } from '../engine/executor';
import { bind, type Dispatch, type GpuCounters, type Kernel, type PipelineCache } from './kernel';
import { topKKernel } from './kernels/top-k';

export interface Answers {
  /** Reads `logits`, writes `out`. */
  readonly dispatch: Dispatch;
  /** u32 [images, k, 2], to be copied from. */
  readonly out: GPUBuffer;
  /** Bytes of one picture in `out`. */
  readonly bytes: number;
  /** The picture at `index` of what was read back. Errors: internal (not finite). */
  parse(bytes: ArrayBuffer, index: number, route: string): RunResult['top'];
}

const bestOf = (classes: number): number => Math.min(TOP_K, classes);

/** What `createAnswers` compiles. */
export const answersKernel = (classes: number): Kernel => topKKernel({ classes, k: bestOf(classes) });

/** Logits [images, classes] → the best classes of each. Errors: shader. */
export async function createAnswers(
  device: GPUDevice,
  logits: GPUBuffer,
  { classes, images }: { readonly classes: number; readonly images: number },
  pipelines: PipelineCache,
  counters: GpuCounters,
): Promise<Answers> {
  const k = bestOf(classes);
  const bytes = k * 8;
  const pipeline = await pipelines.get(answersKernel(classes));
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC;
  const out = device.createBuffer({ label: '@top-k', size: images * bytes, usage });
  counters.buffers += 1;
  const bindGroup = bind(device, counters, pipeline, [{ buffer: logits }, { buffer: out }]);
  return {
    dispatch: { pipeline, bindGroup, workgroups: images },
    out,
    bytes,
    parse(read, index, route) {
      const indices = new Uint32Array(read, index * bytes, k * 2);
      const floats = new Float32Array(read, index * bytes, k * 2);
      const top = Array.from({ length: k }, (_, i) => ({ index: indices[i * 2] ?? 0, probability: floats[i * 2 + 1] ?? 0 }));
      if (Number.isFinite(top[0]?.probability)) return top;
      throw new StitchError('internal', `Route ${route} gave logits that are not finite: the network overflowed.`, { route });
    },
  };
}
