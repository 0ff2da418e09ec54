/** The engine's own activations for a fit: anchors of a bundle run block by block on tfjs, whatever backend is current. */
import * as tf from '@tensorflow/tfjs-core';
import type { AnchorSpec, Manifest } from '../bundle/manifest';
import type { Tensors } from '../bundle/safetensors';
import { StitchError } from '../core/errors';
import { WeightStore } from '../reference/weights';
import type { Activations, StitchToFit } from './fit';
import { block, embed } from '../reference/vit';

/** Images of one batch: normalised pixels f32 [count, 3, size, size]. */
export interface PixelBatch {
  readonly pixels: Float32Array;
  readonly count: number;
}

/** Runs anchors and keeps what a fit of given stitches reads. `dispose` frees the weights. */
export class ActivationRunner {
  readonly #manifest: Pick<Manifest, 'input' | 'anchors'>;
  readonly #weights: WeightStore;
  /** Last block needed of each anchor; -1 is the embedding. */
  readonly #last = new Map<string, number>();
  /** Outputs needed, as `anchor block`. */
  readonly #wanted = new Set<string>();

  /**
   * @param manifest of the anchors; its stitches and routes do not matter
   * @param tensors at least those of the anchors' embeddings and of the blocks that the stitches read
   * @throws StitchError `bundle-invalid` for a missing or misshaped tensor, `argument-invalid` for a block that is not there
   */
  constructor(manifest: Manifest, tensors: Tensors, stitches: readonly StitchToFit[]) {
    this.#manifest = manifest;
    this.#weights = new WeightStore(manifest);
    const want = (anchor: string, index: number) => {
      const { depth } = this.#anchor(anchor).config;
      if (index < -1 || index >= depth) {
        throw new StitchError('argument-invalid', `Anchor "${anchor}" has blocks 0…${depth - 1}, not ${index}.`, {
          anchor,
          index,
        });
      }
      this.#wanted.add(`${anchor} ${index}`);
      this.#last.set(anchor, Math.max(index, this.#last.get(anchor) ?? -1));
    };
    for (const { from, to, pairs } of stitches) {
      for (const { front, back } of pairs) {
        want(from, front);
        want(to, back - 1);
      }
    }
    for (const [anchor, last] of this.#last) {
      const blocks = Array.from({ length: last + 1 }, (_, index) => `anchors.${anchor}.blocks.${index}`);
      this.#weights.add([`anchors.${anchor}.embed`, ...blocks], tensors);
    }
  }

  /** Widths by anchor id, as `fitStitches` takes them. */
  get dims(): ReadonlyMap<string, number> {
    return new Map(this.#manifest.anchors.map(({ id, config }) => [id, config.dim]));
  }

  /** Activations of one batch. Errors: argument-invalid for pixels of another length. */
  async run({ pixels, count }: PixelBatch): Promise<Activations> {
    const { size } = this.#manifest.input;
    if (count < 1 || pixels.length !== count * 3 * size * size) {
      const expected = `${count} × 3 × ${size} × ${size}`;
      throw new StitchError('argument-invalid', `Pixels have ${pixels.length} values; expected ${expected}.`, { count });
    }
    const found = new Map<string, Float32Array>();
    let rows = 0;
    const input = tf.tensor4d(pixels, [count, 3, size, size]); // [B, 3, S, S]
    let tokens: tf.Tensor2D | undefined;
    try {
      for (const [anchor, last] of this.#last) {
        const { config } = this.#anchor(anchor);
        tokens = embed(input, this.#weights.embed(anchor), config); // [B, 3, S, S] -> [B·N, D]
        for (let index = -1; index <= last; index += 1) {
          if (index >= 0) {
            const next = block(tokens, this.#weights.block(anchor, index), config, count); // [B·N, D]
            tokens.dispose();
            tokens = next;
          }
          rows = tokens.shape[0];
          if (this.#wanted.has(`${anchor} ${index}`)) found.set(`${anchor} ${index}`, await tokens.data<'float32'>());
        }
        tokens.dispose();
        tokens = undefined;
      }
    } finally {
      tokens?.dispose();
      input.dispose();
    }
    return { rows, tokens: (anchor, index) => found.get(`${anchor} ${index}`) ?? missing(anchor, index) };
  }

  dispose(): void {
    this.#weights.dispose();
  }

  #anchor(id: string): AnchorSpec {
    const spec = this.#manifest.anchors.find((anchor) => anchor.id === id);
    if (spec !== undefined) return spec;
    throw new StitchError('argument-invalid', `A stitch names anchor "${id}", which is not there.`, { anchor: id });
  }
}

function missing(anchor: string, index: number): never {
  throw new StitchError('internal', `The output of ${anchor} block ${index} was not asked for.`, { anchor, index });
}
