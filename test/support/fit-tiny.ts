/** The anchors of the fixture `tiny` stitched from made-up images: the same work in Node and in a browser, with its result. */
import type { Manifest } from '../../src/bundle/manifest';
import {
  ActivationRunner,
  createResampler,
  enumerateRoutes,
  fitStitches,
  type FitResult,
  type Tensors,
} from '../../src/stitching/index';

const IMAGES = 8;
const [WIDTH, HEIGHT] = [40, 36];

/** Noise and a slope, RGBA; whole numbers, so that every engine draws the same. */
function picture(index: number) {
  const data = new Uint8ClampedArray(WIDTH * HEIGHT * 4).fill(255);
  let state = index * 7919 + 1;
  for (let i = 0; i < WIDTH * HEIGHT; i += 1) {
    for (let c = 0; c < 3; c += 1) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      data[i * 4 + c] = (state >>> 25) + ((i * (index + c + 1)) % 128);
    }
  }
  return { data, width: WIDTH, height: HEIGHT };
}

/** Fits all stitches of the official space between the two anchors on the current tfjs backend. */
export async function fitTiny(manifest: Manifest, tensors: Tensors): Promise<FitResult> {
  const anchors = manifest.anchors.map(({ id, config }) => ({ id, depth: config.depth }));
  const { stitches } = enumerateRoutes(anchors, { kernel: 2, stride: 1 });
  const runner = new ActivationRunner(manifest, tensors, stitches);
  const resample = createResampler(manifest.input);
  async function* batches() {
    for (let image = 0; image < IMAGES; image += 1) yield await runner.run({ pixels: resample(picture(image)), count: 1 });
  }
  try {
    return await fitStitches({ stitches, dims: runner.dims, batches });
  } finally {
    runner.dispose();
  }
}

/** Relative residuals as Node finds them on tfjs' CPU backend, pair by pair: the mean alone, the own fit, the stitch as written. */
export const EXPECTED: readonly (readonly [pair: string, before: number, own: number, after: number])[] = [
  ['a-b.0 0 0', 0.920392, 0.615495, 1.290279],
  ['a-b.0 0 1', 0.676213, 0.483687, 0.724015],
  ['a-b.0 1 0', 0.920392, 0.635326, 1.505651],
  ['a-b.0 1 1', 0.676213, 0.487443, 0.784648],
  ['a-b.1 1 2', 0.60864, 0.446653, 0.791163],
  ['a-b.1 2 1', 0.676213, 0.493932, 0.986673],
  ['a-b.1 2 2', 0.60864, 0.44291, 0.593184],
];

/** The same of a result. */
export function residualsOf({ pairs }: FitResult): readonly (readonly [string, number, number, number])[] {
  return pairs.map(({ stitch, front, back, before, own, after }) => [`${stitch} ${front} ${back}`, before, own, after]);
}
