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
    for (const unit of units) {
      if (this.#units.has(unit)) continue;
      // A failure half-way through a unit must not leave its first tensors behind, hence the tidy around the whole unit.
      const before = tf.memory().numBytes;
      this.#units.set(unit, tf.tidy(() => read(this.#manifest, unit, tensors) as Container) as unknown as UnitWeights);
      this.#bytes += tf.memory().numBytes - before;
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

/** The tensors of one unit, checked and in the layout of the forward pass. Call inside a tidy: the raw ones are left to it. */
function read(manifest: Manifest, unit: string, tensors: Tensors): UnitWeights {
  const stored = requiredTensors(manifest, unit, tensors, FLOATS);
  const raw = new Map(stored.map((tensor) => [tensor.name, toTensor(tensor)]));
  const get = <T extends tf.Tensor>(name: string) => raw.get(`${unit}.${name}`) as T;
  const norm = (name: string): Norm => ({ gain: get(`${name}.weight`), bias: get(`${name}.bias`) });
  const linear = (prefix: string): Linear => linearOf(tf.transpose(get<tf.Tensor2D>(`${prefix}weight`)), get(`${prefix}bias`)); // [out, in] -> [in, out]
  if (unit.startsWith('stitches.')) return linear('');
  if (unit.endsWith('.head')) return { norm: norm('norm'), fc: linear('fc.') };
  if (unit.endsWith('.embed')) {
    const filters = get<tf.Tensor4D>('proj.weight');
    const [dim, channels, patch] = filters.shape;
    const pos = get<tf.Tensor2D>('pos');
    const [clsPos, patchPos] = tf.split(pos, [1, pos.shape[0] - 1], 0) as [tf.Tensor2D, tf.Tensor2D]; // [N, D] -> [1, D], [G², D]
    return {
      // [D, 3, P, P] -> [D, 3P²] -> [3P², D]
      proj: linearOf(tf.transpose(tf.reshape(filters, [dim, channels * patch * patch])), get('proj.bias')),
      cls: tf.add(clsPos, get('cls')), // [1, D] + [D] -> [1, D]
      pos: patchPos,
    };
  }
  return {
    norm1: norm('norm1'),
    qkv: linear('qkv.'),
    proj: linear('proj.'),
    norm2: norm('norm2'),
    fc1: linear('fc1.'),
    fc2: linear('fc2.'),
  };
}

/** f32, whatever the shard holds. */
function toTensor({ view, shape, int8 }: StoredTensor): tf.Tensor {
  return tf.tensor(int8 === undefined ? tensorToF32(view) : dequantizeRows(int8), [...shape], 'float32');
}
