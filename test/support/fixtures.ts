/** The committed fixture bundles with PyTorch's answers, as a browser test sees them. */
import type { Manifest } from '../../src/bundle/manifest';
import { type Bundle, openBundle } from '../../src/bundle/open';
import { parseSafetensors, tensorToF32 } from '../../src/bundle/safetensors';
import type { Executor } from '../../src/engine/executor';

/** f16 weights. */
export const FIXTURES = ['tiny', 'snnet-deit-tiny'] as const;
type FixtureName = (typeof FIXTURES)[number] | 'tiny-int8';

/**
 * Kernels of `tiny`, whatever form its weights have; its anchors' widths end alike, so they share them: embed, qkv, attention,
 * projection and fc2, fc1, head with and without norm, stitch, input and top-k.
 */
export const TINY_PIPELINES = 10;

const urlOf = (name: FixtureName, file: string): string => new URL(`../fixtures/${name}/${file}`, import.meta.url).href;

export interface Fixture {
  readonly manifestUrl: string;
  readonly manifest: Manifest;
  readonly bundle: Bundle;
  readonly batch: number;
  /** Normalised input of image b, [3, S, S]. */
  pixels(image: number): Float32Array;
  /** PyTorch's logits on f16-rounded or int8 weights, and on the f32 originals; not every fixture has all. */
  expected(route: string, image: number, weights: 'f16' | 'f32' | 'int8'): Float32Array;
}

export async function openFixture(name: FixtureName): Promise<Fixture> {
  const manifestUrl = urlOf(name, 'manifest.json');
  const bundle = await openBundle(manifestUrl, { cache: false });
  const { manifest } = bundle;
  const response = await fetch(urlOf(name, 'expected.safetensors'));
  const tensors = parseSafetensors(new Uint8Array(await response.arrayBuffer()), 'expected.safetensors');
  const f32 = (tensor: string): Float32Array => {
    const view = tensors.get(tensor);
    if (view === undefined) throw new Error(`${name}: no ${tensor}`);
    return tensorToF32(view);
  };
  const pixels = f32('pixels');
  const length = 3 * manifest.input.size ** 2;
  const batch = pixels.length / length;
  return {
    manifestUrl,
    manifest,
    bundle,
    batch,
    pixels: (image) => pixels.slice(image * length, (image + 1) * length), // [B, 3, S, S] -> [3, S, S]
    expected(route, image, weights) {
      const row = manifest.routes.findIndex((r) => r.id === route);
      const start = (row * batch + image) * manifest.classes; // [R, B, C] -> [C]
      return f32(`logits_${weights}`).slice(start, start + manifest.classes);
    },
  };
}

/** Loads every shard of the fixture into an executor and prepares every route. */
export async function fill(executor: Executor, { bundle, manifest }: Fixture): Promise<void> {
  await bundle.loadAll((spec, tensors) => executor.addUnits(spec.units, tensors));
  await executor.prepare(manifest.routes);
}
