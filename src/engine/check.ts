/** The known-answer check: the bundle's vectors through an executor, once as pixels and once as a frame. */
import type { CheckVectors } from '../bundle/contents';
import type { Manifest } from '../bundle/manifest';
import { softmax } from '../core/topk';
import type { PixelFrame } from '../core/types';
import { createResampler } from '../input/resample';
import type { CheckReport } from './api';
import type { Executor, Pause } from './executor';

/** How a check gets along with frames. */
export interface CheckTurns {
  /** Runs what must not meet a frame. */
  readonly step: <T>(work: () => Promise<T>) => Promise<T>;
  /** Between two pieces of what may. Absent: nothing else runs. */
  readonly pause?: Pause;
}

export interface CheckedRoute {
  readonly route: string;
  /** Worst absolute logit difference; what is not a number counts as infinite. */
  readonly maxAbsError: number;
}

/**
 * Checks these rows of the vectors. Frames may come between two forward passes, and in the middle of one where there is a `pause`. `framePath`: also
 * whether a frame's way (upload, resize, top-k) brings the same, which is one for all routes.
 */
export async function checkRoutes(
  executor: Executor,
  manifest: Manifest,
  vectors: CheckVectors,
  rows: readonly number[],
  framePath: boolean,
  turns: CheckTurns,
): Promise<CheckedRoute[]> {
  const { classes, input } = manifest;
  const resample = createResampler(input);
  const prepared = createResampler({ ...input, crop: 1 });
  const checked: CheckedRoute[] = [];
  for (const row of rows) {
    const route = vectors.routes[row] ?? '';
    let maxAbsError = 0;
    for (let image = 0; image < vectors.batch; image++) {
      const area = input.size ** 2;
      const rgb = vectors.image.subarray(image * area * 3, (image + 1) * area * 3); // [B, S, S, 3] -> [S, S, 3]
      const frame = frameOf(rgb, input.size);
      const first = (row * vectors.batch + image) * classes;
      const expected = vectors.logits.subarray(first, first + classes); // [R, B, C] -> [C]
      const logits = await logitsOf(executor, route, prepared(frame), turns);
      maxAbsError = Math.max(maxAbsError, worstDifference(logits, expected));
      if (image > 0 || !framePath) continue;
      maxAbsError = Math.max(maxAbsError, await frameError(executor, route, frame, resample(frame), turns));
    }
    checked.push({ route, maxAbsError });
  }
  return checked;
}

export function reportOf(executor: Executor, tolerance: number, routes: readonly CheckedRoute[]): CheckReport {
  return { executor: executor.kind, tolerance, routes, passed: routes.every((r) => r.maxAbsError <= tolerance) };
}

async function logitsOf(
  executor: Executor,
  route: string,
  pixels: Float32Array,
  { step, pause }: CheckTurns,
): Promise<Float32Array> {
  if (pause) {
    await pause();
    return executor.logitsInPieces(route, pixels, pause);
  }
  return step(() => executor.logits(route, pixels));
}

function worstDifference(actual: Float32Array, expected: Float32Array): number {
  const worst = expected.reduce((max, value, i) => Math.max(max, Math.abs((actual[i] ?? Number.NaN) - value)), 0);
  return Number.isNaN(worst) ? Number.POSITIVE_INFINITY : worst;
}

/** The frame path (upload, resize, top-k) must bring the probability of the logits of `pixels`, the same frame resized on the CPU. */
async function frameError(
  executor: Executor,
  route: string,
  frame: PixelFrame,
  pixels: Float32Array,
  turns: CheckTurns,
): Promise<number> {
  const logits = await logitsOf(executor, route, pixels, turns);
  const { top } = await turns.step(() => executor.run(route, frame));
  const error = Math.abs((top[0]?.probability ?? Number.NaN) - Math.max(...softmax(logits)));
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
}

/** An image as a frame of the network's own size, which the resize leaves as it is. */
function frameOf(rgb: Uint8Array, size: number): PixelFrame {
  const data = new Uint8ClampedArray(size * size * 4).fill(255);
  for (let i = 0; i < size * size; i++) data.set(rgb.subarray(i * 3, i * 3 + 3), i * 4); // [S, S, 3] -> [S, S, 4]
  return { data, width: size, height: size };
}
