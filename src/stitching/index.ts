/** Stitching anchors from images, in a page or in Node: least-squares fit of the stitches between block pairs. */
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
