/** Check vectors that this project computes itself, for families that come without PyTorch's. */
import type { RouteSpec } from '../../bundle/manifest';
import { unitsOf } from '../../model/units';
import { createResampler } from '../../input/resample';
import type { CheckDraft, FamilyDraft, FloatTensor } from './family';
import { rounded } from './half';
import { NodeEngine, startNodeBackend } from './node-engine';
import { throwIfStopped } from './partial';

export const REFERENCE_SOURCE = 'reference';
const IMAGES = 2;
const TOLERANCE = 0.005;
const MAX_ROUTES = 6;

/** u8 [count, size, size, 3]: coloured waves, a disc and a checkerboard by formula, the same as training/export.py draws. */
export function proceduralImages(size: number, count: number): Uint8Array<ArrayBuffer> {
  const image = new Uint8Array(count * size * size * 3);
  for (let k = 0; k < count; k += 1) {
    for (let row = 0; row < size; row += 1) {
      for (let column = 0; column < size; column += 1) {
        const [x, y] = [column / size, row / size];
        const disc = (x - 0.35 - 0.25 * k) ** 2 + (y - 0.55) ** 2 < 0.06 ? 0.35 : 0;
        const check = y < 0.3 && (Math.floor(x * 16) + Math.floor(y * 16)) % 2 === 1 ? 0.25 : 0;
        for (let c = 0; c < 3; c += 1) {
          const wave = 0.5 + 0.3 * Math.sin(2 * Math.PI * ((1 + k + c) * x + (2 - k + 0.5 * c) * y) + c);
          image[((k * size + row) * size + column) * 3 + c] = Math.round(255 * Math.min(1, Math.max(0, wave + disc - check)));
        }
      }
    }
  }
  return image;
}

/** RGB images of the network's own size to its input: u8 [batch, size, size, 3] -> f32 [batch, 3, size, size]. */
export function preparedPixels(image: Uint8Array, batch: number, { input }: Pick<FamilyDraft, 'input'>): Float32Array {
  const { size } = input;
  const area = size * size;
  const resample = createResampler({ ...input, crop: 1 });
  const pixels = new Float32Array(batch * 3 * area);
  for (let index = 0; index < batch; index += 1) {
    const data = new Uint8Array(area * 4).fill(255);
    for (let i = 0; i < area; i += 1) {
      const from = (index * area + i) * 3;
      data.set(image.subarray(from, from + 3), i * 4); // [S, S, 3] -> [S, S, 4]
    }
    pixels.set(resample({ data, width: size, height: size }), index * 3 * area); // [S, S, 4] -> [3, S, S]
  }
  return pixels;
}

/** Every anchor, and stitched routes spread evenly over the list: each kind of unit is checked, at a small price. */
export function routesToCheck(routes: readonly Pick<RouteSpec, 'id' | 'path'>[]): string[] {
  const anchors = routes.filter(({ path }) => path.length === 1).slice(0, MAX_ROUTES - 2);
  const stitched = routes.filter(({ path }) => path.length > 1);
  const room = Math.min(stitched.length, MAX_ROUTES - anchors.length);
  const spread = Array.from({ length: room }, (_, index) => stitched[Math.floor(((index + 0.5) * stitched.length) / room)]!);
  return [...anchors, ...spread].map(({ id }) => id);
}

export interface CheckOptions {
  readonly signal?: AbortSignal;
  /** After each route: the share of 1 that is computed. */
  readonly onProgress?: (share: number) => void;
}

/** Logits of `routes` on the weights as a bundle holds them, f32 arithmetic: [routes, batch, classes]. Errors: aborted. */
export async function referenceLogits(
  draft: FamilyDraft,
  routes: readonly string[],
  image: Uint8Array,
  batch: number,
  { signal, onProgress }: CheckOptions = {},
): Promise<Float32Array<ArrayBuffer>> {
  await startNodeBackend();
  const specs = routes.map((id) => draft.routes.find((route) => route.id === id)!);
  const units = [...new Set(specs.flatMap((route) => unitsOf(route)))];
  const needed = new Map<string, FloatTensor>();
  for (const [name, tensor] of draft.tensors) {
    if (units.some((unit) => name.startsWith(`${unit}.`))) needed.set(name, rounded(name, tensor));
  }
  const engine = new NodeEngine(draft, units, needed);
  try {
    const pixels = preparedPixels(image, batch, draft);
    const logits = new Float32Array(routes.length * batch * draft.classes);
    for (const [row, route] of specs.entries()) {
      throwIfStopped(signal);
      logits.set(await engine.logits(route, pixels, batch), row * batch * draft.classes); // [B, C] -> [R, B, C]
      onProgress?.((row + 1) / specs.length);
      await new Promise((resolve) => setImmediate(resolve)); // lets Ctrl-C in
    }
    return logits;
  } finally {
    engine.dispose();
  }
}

/** What is asked of the executors: images, and the routes to run on them. */
export type CheckQuestions = Pick<CheckDraft, 'image' | 'batch' | 'routes'>;

/** Check vectors by the reference executor. They prove that other executors agree with it, not that it is right. */
export async function computeCheck(
  draft: FamilyDraft,
  questions = usualQuestions(draft),
  options: CheckOptions = {},
): Promise<CheckDraft> {
  const { image, batch, routes } = questions;
  const logits = await referenceLogits(draft, routes, image, batch, options);
  return { image, batch, routes, logits, tolerance: TOLERANCE, source: REFERENCE_SOURCE };
}

function usualQuestions({ routes, input }: FamilyDraft): CheckQuestions {
  return { image: proceduralImages(input.size, IMAGES), batch: IMAGES, routes: routesToCheck(routes) };
}
