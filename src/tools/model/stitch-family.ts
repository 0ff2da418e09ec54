/** Anchors to a stitchable family: enumerates the space and initialises its stitches from images (snnet.md sections 2 and 3). */
import type { WindowOptions } from '../../model/stitching';
import { ActivationRunner, fitStitches, type FitResult, type FittedStitch, type PairReport } from '../../stitching/index';
import type { Manifest, QuantizationSpec, RouteSpec } from '../../bundle/manifest';
import type { FamilyDraft } from './family';
import { readPixels, type ImageEntry } from './images';
import { startNodeBackend, viewsOf } from './node-engine';
import { stitchingSpace, type Space } from './space';

export interface StitchOptions extends WindowOptions {
  /** Calibration images; no labels are used. */
  readonly images: readonly ImageEntry[];
  /** Images a pass of the network. */
  readonly batch: number;
  readonly ridge: number;
  /** Whether stitched routes apply the back anchor's final norm; the official DeiT checkpoint does not. */
  readonly finalNorm: boolean;
  /** `random` is for comparison: normal values of deviation 0.02, no bias. */
  readonly init: 'least-squares' | 'random';
  readonly seed: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (phase: string, share: number) => void;
}

export interface StitchedFamily {
  readonly draft: FamilyDraft;
  readonly pairs: readonly PairReport[];
  /** Tokens that the fit rests on; 0 for a random start. */
  readonly rows: number;
}

/**
 * Replaces a family's stitches and stitched routes; its anchors stay as they are, with the accuracies known of them.
 * Errors: argument-invalid, frame-invalid (an image that cannot be read), bundle-invalid, aborted.
 */
export async function stitchFamily(anchors: FamilyDraft, options: StitchOptions): Promise<StitchedFamily> {
  const space = stitchingSpace(anchors.anchors, options);
  const { stitches, pairs, rows } =
    options.init === 'random' ? randomStitches(anchors, space, options.seed) : await fit(anchors, space, options);
  const tensors = new Map([...anchors.tensors].filter(([name]) => !name.startsWith('stitches.')));
  const dims = new Map(anchors.anchors.map(({ id, config }) => [id, config.dim]));
  for (const { id, from, to } of space.stitches) {
    const { weight, bias } = stitches.find((stitch) => stitch.id === id)!;
    tensors.set(`stitches.${id}.weight`, { shape: [dims.get(to)!, dims.get(from)!], data: weight });
    tensors.set(`stitches.${id}.bias`, { shape: [dims.get(to)!], data: bias });
  }
  const known = new Map(anchors.routes.map((route) => [route.id, route]));
  const routes = space.routes.map(({ id, path }) => {
    const alone = path.length === 1;
    return (alone ? known.get(id) : undefined) ?? { id, path, finalNorm: alone || options.finalNorm };
  });
  const { check: _old, quantization, ...rest } = anchors;
  const draft = { ...rest, stitches: space.stitches.map(({ id, from, to }) => ({ id, from, to })), routes, tensors };
  const measured = quantization && ofAnchorsAlone(quantization, anchors.routes, routes);
  return { draft: { ...draft, ...(measured && { quantization: measured }) }, pairs, rows };
}

/** What rounding cost the anchors. What it cost stitched routes was measured with stitches that are gone. */
function ofAnchorsAlone(
  quantization: QuantizationSpec,
  ...families: readonly (readonly Pick<RouteSpec, 'id' | 'path'>[])[]
): QuantizationSpec {
  const isAnchor = (id: string) =>
    families.every((routes) => routes.some((route) => route.id === id && route.path.length === 1));
  const routes = quantization.routes.filter(({ id }) => isAnchor(id));
  if (routes.length === 0) return { weights: quantization.weights, images: 0, routes };
  return { ...quantization, routes };
}

async function fit(anchors: FamilyDraft, space: Space, options: StitchOptions): Promise<FitResult> {
  const { images, batch, ridge, signal, onProgress } = options;
  await startNodeBackend();
  // Activations depend on the input and the anchors alone.
  const runner = new ActivationRunner(anchors as unknown as Manifest, viewsOf(anchors.tensors), space.stitches);
  let pass = 0;
  async function* batches() {
    pass += 1;
    const phase = pass === 1 ? 'activations and their products' : 'again, for ill-conditioned pairs';
    for (let from = 0; from < images.length; from += batch) {
      onProgress?.(phase, from / images.length);
      const part = images.slice(from, from + batch);
      yield await runner.run({ pixels: await readPixels(part, anchors.input), count: part.length });
    }
  }
  const onStep = (phase: string, share: number | undefined) => {
    if (share !== undefined) onProgress?.(phase === 'solve' ? 'solving' : 'solving ill-conditioned pairs', share);
  };
  try {
    return await fitStitches({
      stitches: space.stitches,
      dims: runner.dims,
      batches,
      ridge,
      onProgress: onStep,
      ...(signal === undefined ? {} : { signal }),
    });
  } finally {
    runner.dispose();
  }
}

function randomStitches({ anchors }: FamilyDraft, { stitches }: Space, seed: number): FitResult {
  const dims = new Map(anchors.map(({ id, config }) => [id, config.dim]));
  let state = (seed * 2654435761 + 1) >>> 0;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const made = stitches.map(({ id, from, to }): FittedStitch => {
    const [inputs, outputs] = [dims.get(from)!, dims.get(to)!];
    return {
      id,
      weight: Float32Array.from({ length: inputs * outputs }, () => 0.02 * normal()),
      bias: new Float32Array(outputs),
    };
  });
  return { stitches: made, pairs: [], rows: 0 };
}
