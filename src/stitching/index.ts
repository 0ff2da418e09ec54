/**
 * Stitching anchors from images, in a page or in Node: least-squares fit of the stitches between block pairs, and what a page
 * needs to feed it: the space of stitches, the bundle's tensors, and images as the network takes them. A guide: docs/stitching.md.
 */
export { parseSafetensors, type Tensors } from '../bundle/safetensors';
export { createResampler } from '../input/resample';
export { enumerateRoutes, type EnumeratedStitch, type WindowOptions } from '../model/stitching';
export { ActivationRunner, type PixelBatch } from './activations';
export {
  fitStitches,
  type Activations,
  type FitOptions,
  type FitResult,
  type FittedStitch,
  type PairReport,
  type StitchToFit,
} from './fit';
export { leastSquares, type AffineSolution, type LeastSquaresOptions } from './lstsq';
