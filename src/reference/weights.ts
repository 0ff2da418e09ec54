/**
 * The weights of a bundle as tfjs f32 tensors, by unit (docs/bundle-format.md, Units and shards).
 *
 * A linear layer is turned once, at load, from torch's [out, in] to the form that the backend is fastest with.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Manifest } from '../bundle/manifest';
import { tensorToF32, type Tensors } from '../bundle/safetensors';
import { StitchError } from '../core/errors';
import { dequantizeRows } from '../model/int8';
import { requiredTensors, type StoredTensor } from '../model/stored';
import { linearOf, type Linear, type Norm } from './ops';

/** Bundles hold F16; families in memory, before they are written, F32. */
const FLOATS = ['F16', 'BF16', 'F32'] as const;

export interface EmbedWeights {
  /** [3 · patch², dim]; a patch is flattened channel, row, column. */
  readonly proj: Linear;
  /** Class token plus its position, [1, dim]. */
  readonly cls: tf.Tensor2D;
  /** Positions of the patches, [patches, dim]. */
  readonly pos: tf.Tensor2D;
}

export interface BlockWeights {
  readonly norm1: Norm;
  /** [dim, 3 · dim]: all queries, all keys, all values; heads are contiguous inside each. */
  readonly qkv: Linear;
  readonly proj: Linear;
  readonly norm2: Norm;
  readonly fc1: Linear;
  readonly fc2: Linear;
}

export interface HeadWeights {
  readonly norm: Norm;
  /** [dim, classes] */
  readonly fc: Linear;
}

/** What a forward pass asks for. Every method throws `internal` with the unit's name when that unit was not added. */
export interface VitWeights {
  embed(anchor: string): EmbedWeights;
  block(anchor: string, index: number): BlockWeights;
  head(anchor: string): HeadWeights;
  stitch(id: string): Linear;
}

/** tfjs walks plain objects of tensors, but its type for them has no place for interfaces. */
type Container = UnitWeights & tf.TensorContainerObject;
type Layer = Linear | Norm | tf.Tensor2D;
type UnitWeights = EmbedWeights | BlockWeights | HeadWeights | Linear;

/** Owner of all weight tensors of one bundle. `dispose` frees every one. */
export class WeightStore implements VitWeights {
  readonly #manifest: Manifest;
  readonly #units = new Map<string, UnitWeights>();
  #bytes = 0;

  constructor(manifest: Manifest) {
    this.#manifest = manifest;
  }

  /** Bytes of f32 weights held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether `unit` was added. */
  has(unit: string): boolean {
    return this.#units.has(unit);
  }

  /**
   * Takes the tensors of `units` out of a shard; a unit already held is left as it is.
   * @throws StitchError `bundle-invalid` for an unknown unit, a missing tensor, a wrong shape or an unknown dtype. Nothing of the
   * failing unit is kept.
   */
  add(units: readonly string[], tensors: Tensors): void {
    for (const unit of units) for (const _ of this.addInPieces(unit, tensors));
  }

  /** The same for one unit, with a stop after each layer. Ended early, it frees what it made. Errors: as `add`. */
  *addInPieces(unit: string, tensors: Tensors): Generator<undefined, void> {
    if (this.#units.has(unit)) return;
    const made: Layer[] = [];
    let isWhole = false;
    try {
      const weights: Record<string, Layer> = {};
      for (const [name, layer] of read(this.#manifest, unit, tensors)) {
        weights[name] = layer;
        made.push(layer);
        yield;
      }
      // A stitch is a single layer.
      this.#units.set(unit, (weights[''] ?? weights) as unknown as UnitWeights);
      this.#bytes += made.flatMap(tensorsOf).reduce((sum, { size }) => sum + 4 * size, 0);
      isWhole = true;
    } finally {
      if (!isWhole) tf.dispose(made.flatMap(tensorsOf));
    }
  }

  /** The linear layers of these units. Errors: internal (not added). */
  linears(units: readonly string[]): Linear[] {
    return units.flatMap((unit) => linearsOf(this.#get(unit)));
  }

  /** Errors: internal (not added). */
  require(unit: string): void {
    this.#get(unit);
  }

  embed(anchor: string): EmbedWeights {
    return this.#get(`anchors.${anchor}.embed`) as EmbedWeights;
  }

  block(anchor: string, index: number): BlockWeights {
    return this.#get(`anchors.${anchor}.blocks.${index}`) as BlockWeights;
  }

  head(anchor: string): HeadWeights {
    return this.#get(`anchors.${anchor}.head`) as HeadWeights;
  }

  stitch(id: string): Linear {
    return this.#get(`stitches.${id}`) as Linear;
  }

  dispose(): void {
    for (const unit of this.#units.values()) tf.dispose(unit as Container);
    this.#units.clear();
    this.#bytes = 0;
  }

  #get(unit: string): UnitWeights {
    const weights = this.#units.get(unit);
    if (!weights) {
      throw new StitchError(
        'internal',
        `The weights of "${unit}" are not loaded; add its shard before running a route with it.`,
        {
          unit,
        },
      );
    }
    return weights;
  }
}

function linearsOf(unit: UnitWeights): Linear[] {
  if ('weight' in unit) return [unit];
  return Object.values(unit as unknown as Record<string, object>).filter(
    (part): part is Linear => 'weight' in part && 'bias' in part,
  );
}

const tensorsOf = (layer: Layer): tf.Tensor[] =>
  [layer, ...Object.values(layer)].filter((value): value is tf.Tensor => value instanceof tf.Tensor);

/** The layers of one unit by their field, checked, one at a time and in the form of the forward pass; a stitch's field is ''. */
function* read(manifest: Manifest, unit: string, tensors: Tensors): Generator<[string, Layer]> {
  const stored = new Map(requiredTensors(manifest, unit, tensors, FLOATS).map((tensor) => [tensor.name, tensor]));
  const values = (name: string) => valuesOf(stored.get(`${unit}.${name}`)!);
  const norm = (name: string): Norm => ({
    gain: tf.tensor1d(values(`${name}.weight`)),
    bias: tf.tensor1d(values(`${name}.bias`)),
  });
  const linear = (prefix: string): Linear => linearOf(values(`${prefix}weight`), values(`${prefix}bias`));
  if (unit.startsWith('stitches.')) yield ['', linear('')];
  else if (unit.endsWith('.head')) {
    yield ['norm', norm('norm')];
    yield ['fc', linear('fc.')];
  } else if (unit.endsWith('.embed')) {
    yield ['proj', linear('proj.')]; // [D, 3, P, P] read as [D, 3P²]
    const cls = values('cls');
    const dim = cls.length;
    const pos = values('pos'); // [N, D]
    yield ['cls', tf.tensor2d(cls.map((value, i) => value + pos[i]!), [1, dim])]; // prettier-ignore
    yield ['pos', tf.tensor2d(pos.subarray(dim), [pos.length / dim - 1, dim])]; // [N, D] -> [G², D]
  } else {
    for (const name of ['norm1', 'norm2']) yield [name, norm(name)];
    for (const name of ['qkv', 'proj', 'fc1', 'fc2']) yield [name, linear(`${name}.`)];
  }
}

/** f32, whatever the shard holds. */
function valuesOf({ view, int8 }: StoredTensor): Float32Array {
  return int8 === undefined ? tensorToF32(view) : dequantizeRows(int8);
}
