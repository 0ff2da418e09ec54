/** The files of one network: for every peer in its own form, for PyTorch, and the images. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { preparedPixels, proceduralImages } from '../../../src/tools/model/check-vectors';
import { writeBundle } from '../../../src/tools/model/write-bundle';
import { randomFamily, type WeightKind } from '../lib/random-family';
import type { ShapeId } from '../lib/shapes';
import { writeOnnx } from './files/onnx';
import { writeTflite } from './files/tflite';
import { flatWeights, modelOf, type ModelDescription } from './model';
import { runTorch } from './torch';

/** Images of a network; rows are timed on the first, top-1 agreement is over all. */
export const IMAGES = 16;
/** Of those, how many stand in the bundle as check vectors. */
const CHECKED = 2;
const TOLERANCE = 1e-3;

export interface Network {
  /** Absolute. */
  readonly folder: string;
  readonly macs: number;
  /** In the bundle. */
  readonly weightBytes: number;
  /** PyTorch's, one an image. */
  readonly logits: readonly Float32Array[];
}

/** Writes `folder`. `forPeers`: the files of the other runtimes too. */
export async function prepareNetwork(
  folder: string,
  id: ShapeId,
  weights: WeightKind,
  python: string,
  forPeers: boolean,
): Promise<Network> {
  const draft = randomFamily([id], undefined, weights);
  // The images are of the network's size: a frame's path must take them as they are, as the peers do.
  draft.input = { ...draft.input, crop: 1 };
  const model = modelOf(draft);
  const { config, size, classes, tensors } = model;
  const images = proceduralImages(size, IMAGES);
  const put = (file: string, data: string | Uint8Array) => writeFileSync(join(folder, file), data);
  const bytes = (data: Float32Array) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  mkdirSync(folder, { recursive: true });
  const description: ModelDescription = { config, size, classes, tensors };
  put('model.json', JSON.stringify(description));
  put('weights.bin', bytes(flatWeights(model)));
  put('images.bin', images);
  put('pixels.bin', bytes(preparedPixels(images, IMAGES, draft)));
  if (forPeers) {
    for (const form of ['plain', 'fused'] as const) put(`model.${form}.onnx`, writeOnnx(model, form));
    put('model.tflite', writeTflite(model));
  }
  runTorch(python, [folder]);
  const flat = new Float32Array(new Uint8Array(readFileSync(join(folder, 'logits.bin'))).buffer);
  const logits = Array.from({ length: IMAGES }, (_, i) => flat.slice(i * classes, (i + 1) * classes)); // [B, C] -> B × [C]
  draft.check = {
    image: images.subarray(0, CHECKED * size * size * 3),
    batch: CHECKED,
    routes: [id],
    logits: flat.slice(0, CHECKED * classes),
    tolerance: TOLERANCE,
  };
  const manifest = await writeBundle(join(folder, 'bundle'), draft);
  const weightBytes = manifest.shards.reduce((sum, shard) => sum + shard.bytes, 0);
  return { folder, macs: manifest.routes[0]?.macs ?? 0, weightBytes, logits };
}
