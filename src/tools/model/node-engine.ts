/** The reference network in Node: tfjs' WASM backend where it starts, else its CPU backend, about fifty times slower. */
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import type { Manifest, RouteSpec, VitConfig } from '../../bundle/manifest';
import { StitchError } from '../../core/errors';
import { startBackend, type ReferenceBackend } from '../../reference/backends';
import { linear } from '../../reference/ops';
import { block, embed, forward, head } from '../../reference/vit';
import { WeightStore } from '../../reference/weights';
import type { FloatTensor } from './family';
import { routeTree, type Branch, type Step, type TreeRoute } from './route-tree';

/**
 * Starts the backend, the fastest that there is unless `wanted` names one. Errors: unsupported, where that one does not start.
 */
export async function startNodeBackend(wanted?: ReferenceBackend): Promise<ReferenceBackend> {
  if (wanted === 'cpu') {
    await startBackend('cpu');
    return 'cpu';
  }
  try {
    await registerWasm();
    await startBackend('wasm');
    return 'wasm';
  } catch (error) {
    if (wanted === 'wasm' || !(error instanceof StitchError)) throw error;
    await startBackend('cpu');
    return 'cpu';
  }
}

/** Node has no bundler that would serve the binaries: tfjs reads them from the package's folder. */
async function registerWasm(): Promise<void> {
  if (tf.findBackendFactory('wasm')) return;
  const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm'); // registers its flags too
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  const main = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
  setWasmPaths(join(dirname(main), sep));
}

/** Everything the forward pass asks of a bundle's description. */
export type Described = Pick<Manifest, 'input' | 'classes' | 'anchors' | 'stitches'>;

/** A family's weights on the current backend. */
export class NodeEngine {
  readonly #manifest: Manifest;
  readonly #weights: WeightStore;

  /** `tensors`: those of `units`, f32. Errors: bundle-invalid. */
  constructor(described: Described, units: readonly string[], tensors: ReadonlyMap<string, FloatTensor>) {
    // The forward pass reads no other field of the manifest.
    this.#manifest = described as Manifest;
    this.#weights = new WeightStore(this.#manifest);
    this.#weights.add(units, viewsOf(tensors));
  }

  /** Logits [count, classes] of normalised pixels [count, 3, size, size]. Errors: argument-invalid, internal (a unit is missing). */
  async logits(
    route: Pick<RouteSpec, 'id' | 'path' | 'finalNorm'>,
    pixels: Float32Array,
    count: number,
  ): Promise<Float32Array> {
    const { size } = this.#manifest.input;
    const result = tf.tidy(() =>
      forward(this.#manifest, this.#weights, { ...route, macs: 0 }, tf.tensor4d(pixels, [count, 3, size, size])),
    ); // [B, 3, S, S] -> [B, C]
    try {
      return await result.data<'float32'>();
    } finally {
      result.dispose();
    }
  }

  /**
   * The same for many routes, each told to `visit` in the order of their tree: steps that routes begin with alike run once for
   * all of them. The logits are those of {@link logits}, to the bit. A throw of `visit` ends the walk. Errors: those of `logits`.
   */
  async logitsOfAll<Route extends TreeRoute>(
    routes: readonly Route[],
    pixels: Float32Array,
    count: number,
    visit: (route: Route, logits: Float32Array) => Promise<void> | void,
  ): Promise<void> {
    const { size } = this.#manifest.input;
    const walk = async (branch: Branch<Route>, input: tf.Tensor): Promise<void> => {
      const tokens = this.#step(branch.step, input, count); // [B·N, D]
      try {
        for (const route of branch.ends) await visit(route, await this.#head(route, tokens, count));
        for (const next of branch.next) await walk(next, tokens);
      } finally {
        tokens.dispose();
      }
    };
    const input = tf.tensor4d(pixels, [count, 3, size, size]); // [B, 3, S, S]
    try {
      for (const branch of routeTree(routes)) await walk(branch, input);
    } finally {
      input.dispose();
    }
  }

  #step(step: Step, input: tf.Tensor, count: number): tf.Tensor2D {
    if (step.kind === 'stitch') return linear(input as tf.Tensor2D, this.#weights.stitch(step.id)); // [B·N, D front] -> [B·N, D back]
    const config = this.#config(step.anchor);
    if (step.kind === 'embed') return embed(input as tf.Tensor4D, this.#weights.embed(step.anchor), config); // [B, 3, S, S] -> [B·N, D]
    return block(input as tf.Tensor2D, this.#weights.block(step.anchor, step.index), config, count); // [B·N, D]
  }

  /** [B·N, D] -> [B, C] */
  async #head({ path, finalNorm }: TreeRoute, tokens: tf.Tensor2D, count: number): Promise<Float32Array> {
    const { anchor } = path.findLast((part) => 'anchor' in part)!;
    const result = tf.tidy(() => head(tokens, this.#weights.head(anchor), this.#config(anchor), count, finalNorm));
    try {
      return await result.data<'float32'>();
    } finally {
      result.dispose();
    }
  }

  #config(anchor: string): VitConfig {
    return this.#manifest.anchors.find(({ id }) => id === anchor)!.config;
  }

  dispose(): void {
    this.#weights.dispose();
  }
}

/** f32 tensors as the views that weights are read from. */
export function viewsOf(tensors: ReadonlyMap<string, FloatTensor>) {
  return new Map(
    [...tensors].map(([name, { shape, data }]) => {
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength) as Uint8Array<ArrayBuffer>;
      return [name, { dtype: 'F32' as const, shape, data: bytes }];
    }),
  );
}
