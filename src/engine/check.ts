/** The known-answer check: the bundle's vectors through an executor, once as pixels and once as a frame. */
import type { CheckVectors } from '../bundle/contents';
import type { Manifest } from '../bundle/manifest';
import { softmax } from '../core/topk';
import type { PixelFrame } from '../core/types';
import { createResampler } from '../input/resample';
import type { CheckReport } from './api';
import type { Executor } from './executor';

/** Worst absolute logit difference per checked route; what is not a number counts as infinite. */
export async function runCheck(executor: Executor, manifest: Manifest, vectors: CheckVectors): Promise<CheckReport> {
  const { classes, input } = manifest;
  const resample = createResampler(input);
  const prepared = createResampler({ ...input, crop: 1 });
  const routes: { route: string; maxAbsError: number }[] = [];
  for (const [row, route] of vectors.routes.entries()) {
    let maxAbsError = 0;
    for (let image = 0; image < vectors.batch; image++) {
      const area = input.size ** 2;
      const rgb = vectors.image.subarray(image * area * 3, (image + 1) * area * 3); // [B, S, S, 3] -> [S, S, 3]
      const frame = frameOf(rgb, input.size);
      const first = (row * vectors.batch + image) * classes;
      const expected = vectors.logits.subarray(first, first + classes); // [R, B, C] -> [C]
      const logits = await executor.logits(route, prepared(frame));
      maxAbsError = Math.max(maxAbsError, worstDifference(logits, expected));
      if (image === 0) maxAbsError = Math.max(maxAbsError, await frameError(executor, route, frame, resample(frame)));
    }
    routes.push({ route, maxAbsError });
  }
  const { tolerance } = vectors;
  return { executor: executor.kind, tolerance, routes, passed: routes.every((r) => r.maxAbsError <= tolerance) };
}

function worstDifference(actual: Float32Array, expected: Float32Array): number {
  const worst = expected.reduce((max, value, i) => Math.max(max, Math.abs((actual[i] ?? Number.NaN) - value)), 0);
  return Number.isNaN(worst) ? Number.POSITIVE_INFINITY : worst;
}

/** The frame path (upload, resize, top-k) must bring the probability of the logits of `pixels`, the same frame resized on the CPU. */
async function frameError(executor: Executor, route: string, frame: PixelFrame, pixels: Float32Array): Promise<number> {
  const logits = await executor.logits(route, pixels);
  const { top } = await executor.run(route, frame);
  const error = Math.abs((top[0]?.probability ?? Number.NaN) - Math.max(...softmax(logits)));
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
}

/** An image as a frame of the network's own size, which the resize leaves as it is. */
function frameOf(rgb: Uint8Array, size: number): PixelFrame {
  const data = new Uint8ClampedArray(size * size * 4).fill(255);
  for (let i = 0; i < size * size; i++) data.set(rgb.subarray(i * 3, i * 3 + 3), i * 4); // [S, S, 3] -> [S, S, 4]
  return { data, width: size, height: size };
}
