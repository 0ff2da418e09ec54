/** The reference network as an executor: tfjs' WASM backend (SIMD), or its CPU backend where WASM is not to be had. */
import * as tf from '@tensorflow/tfjs-core';
import type { Manifest, RouteSpec } from '../bundle/manifest';
import type { Tensors } from '../bundle/safetensors';
import { asStitchError, StitchError } from '../core/errors';
import { TOP_K, topK } from '../core/topk';
import type { EngineFrame, EngineStats } from '../engine/api';
import type { Executor, Pause, RunResult } from '../engine/executor';
import { unitsOf } from '../model/units';
import { createFrameReader } from '../input/pixels-of-frame';
import { createResampler } from '../input/resample';
import type { ReferenceBackend } from './backends';
import { startBackend } from './backends';
import { useOnce } from './ops';
import { forward, forwardInPieces } from './vit';
import { WeightStore } from './weights';

/**
 * Starts `backend` and returns an executor without weights.
 * @throws StitchError `unsupported` where the backend cannot start.
 */
export async function createReferenceExecutor(manifest: Manifest, backend: ReferenceBackend): Promise<Executor> {
  await startBackend(backend);
  return new ReferenceExecutor(manifest, backend);
}

class ReferenceExecutor implements Executor {
  readonly kind: ReferenceBackend;
  /** The thread that would begin another one is the thread that computes. */
  readonly framesInFlight = 1;
  readonly batchSize = 1;
  readonly #manifest: Manifest;
  readonly #routes: ReadonlyMap<string, RouteSpec>;
  readonly #weights: WeightStore;
  readonly #readFrame = createFrameReader();
  readonly #resample: ReturnType<typeof createResampler>;
  #frames = 0;
  #disposed = false;

  constructor(manifest: Manifest, backend: ReferenceBackend) {
    this.kind = backend;
    this.#manifest = manifest;
    this.#routes = new Map(manifest.routes.map((route) => [route.id, route]));
    this.#weights = new WeightStore(manifest);
    this.#resample = createResampler(manifest.input);
  }

  /**
   * Widens the units' tensors to f32 in the backend's memory, ready for the first frame. Errors: bundle-invalid, disposed.
   */
  async addUnits(units: readonly string[], tensors: Tensors, pause?: Pause): Promise<void> {
    await this.#enter();
    for (const unit of units) {
      for (const _ of this.#weights.addInPieces(unit, tensors)) {
        await pause?.();
        await this.#enter();
      }
    }
    for (const layer of this.#weights.linears(units)) {
      await pause?.();
      await this.#enter();
      useOnce(layer);
    }
  }

  /** Looks that every unit is there: there is nothing else to make. Errors: internal (a unit is missing), disposed. */
  async prepare(routes: readonly RouteSpec[]): Promise<void> {
    await this.#enter();
    for (const unit of new Set(routes.flatMap(unitsOf))) this.#weights.require(unit);
  }

  /** Errors: route-unknown, argument-invalid (not 3 · size² values), internal (a unit is missing), disposed. */
  async logits(routeId: string, pixels: Float32Array): Promise<Float32Array> {
    await this.#enter();
    const logits = this.#forward(this.#route(routeId), pixels);
    try {
      return await logits.data<'float32'>(); // [1, C] read as [C]
    } finally {
      logits.dispose();
    }
  }

  /** Errors: as `logits`. */
  async logitsInPieces(routeId: string, pixels: Float32Array, pause: Pause): Promise<Float32Array> {
    await this.#enter();
    const { size } = this.#manifest.input;
    const image = tf.tensor4d(this.#assertPixels(pixels), [1, 3, size, size]); // [3, S, S] -> [1, 3, S, S]
    const pieces = forwardInPieces(this.#manifest, this.#weights, this.#route(routeId), image);
    try {
      let piece = pieces.next();
      for (; piece.done !== true; piece = pieces.next()) {
        await pause();
        await this.#enter();
      }
      const logits = piece.value;
      try {
        return await logits.data<'float32'>(); // [1, C] read as [C]
      } finally {
        logits.dispose();
      }
    } finally {
      // Where it was given up half-way, what it holds is freed.
      pieces.return(undefined as never);
      image.dispose();
    }
  }

  /** Errors: route-unknown, frame-invalid, internal, disposed. The frame stays the caller's. */
  async run(routeId: string, frame: EngineFrame): Promise<RunResult> {
    const start = performance.now();
    await this.#enter();
    const route = this.#route(routeId);
    const pixels = this.#resample(this.#readFrame(frame)); // RGBA [height, width, 4] -> [3, S, S]
    const logits = this.#forward(route, pixels); // [1, C]
    const encodeMs = performance.now() - start;
    try {
      const top = topK(await logits.data(), TOP_K);
      this.#frames += 1;
      return { top, timing: { totalMs: performance.now() - start, encodeMs } };
    } finally {
      logits.dispose();
    }
  }

  /** Errors: as `run`, but for frame-invalid. */
  async runBatch(routeId: string, frames: readonly EngineFrame[]): Promise<(RunResult['top'] | StitchError)[]> {
    const answers: (RunResult['top'] | StitchError)[] = [];
    for (const frame of frames) {
      try {
        answers.push((await this.run(routeId, frame)).top);
      } catch (error) {
        const known = asStitchError(error);
        if (known.code !== 'frame-invalid') throw known;
        answers.push(known);
      }
    }
    return answers;
  }

  stats(): EngineStats {
    const { numTensors, numBytes } = tf.memory();
    return {
      executor: this.kind,
      pipelines: 0,
      bindGroups: 0,
      buffers: 0,
      submits: 0,
      frames: this.#frames,
      dispatches: [],
      weightBytes: this.#weights.bytes,
      tf: { backend: tf.getBackend(), numTensors, numBytes },
    };
  }

  /** Frees every tensor. Twice is fine. */
  dispose(): void {
    this.#disposed = true;
    this.#weights.dispose();
  }

  /** tfjs' current backend is global, so another user of tfjs may have changed it since. */
  async #enter(): Promise<void> {
    this.#live();
    await startBackend(this.kind);
    this.#live();
  }

  #live(): void {
    if (this.#disposed) throw new StitchError('disposed', 'This executor was disposed. Load the bundle again for a new one.');
  }

  #route(id: string): RouteSpec {
    const route = this.#routes.get(id);
    if (route) return route;
    throw new StitchError('route-unknown', `The bundle has no route "${id}". Take an id from the list of routes.`, {
      route: id,
    });
  }

  /** [3, S, S] -> [1, C] */
  #forward(route: RouteSpec, pixels: Float32Array): tf.Tensor2D {
    const { size } = this.#manifest.input;
    this.#assertPixels(pixels);
    return tf.tidy(() => forward(this.#manifest, this.#weights, route, tf.tensor4d(pixels, [1, 3, size, size]))); // [3, S, S] -> [1, 3, S, S]
  }

  /** Errors: argument-invalid. */
  #assertPixels(pixels: Float32Array): Float32Array {
    const { size } = this.#manifest.input;
    if (pixels.length !== 3 * size * size) {
      throw new StitchError(
        'argument-invalid',
        `Pixels have ${pixels.length} values; this bundle takes 3 × ${size} × ${size}.`,
        {
          found: pixels.length,
          expected: 3 * size * size,
        },
      );
    }
    return pixels;
  }
}
