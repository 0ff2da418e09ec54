/** Runs a draft with the reference network on tfjs' CPU backend, on the weights in f32 as they were imported. */
import * as tf from '@tensorflow/tfjs';
import type { Manifest } from '../../../../src/bundle/manifest';
import { parseSafetensors, tensorToF32, type TensorView } from '../../../../src/bundle/safetensors';
import { unitsOf } from '../../../../src/model/units';
import { forward } from '../../../../src/reference/vit';
import { WeightStore } from '../../../../src/reference/weights';
import type { FamilyDraft } from '../../../../src/tools/model/family';
import { fixture, fixtureBytes } from './paths';

/** Logits [B, classes] of one route for normalised pixels [B, 3, S, S]. */
export async function logitsOf(draft: FamilyDraft, route: string, pixels: Float32Array): Promise<Float32Array> {
  await tf.setBackend('cpu');
  const manifest = { ...draft, routes: draft.routes.map((one) => ({ ...one, macs: 1 })) } as unknown as Manifest;
  const weights = new WeightStore(manifest);
  const chosen = manifest.routes.find(({ id }) => id === route);
  if (chosen === undefined) throw new Error(`no route ${route} among ${manifest.routes.map(({ id }) => id).join(' ')}`);
  const tensors = new Map<string, TensorView>();
  for (const [name, { shape, data }] of draft.tensors) {
    tensors.set(name, { dtype: 'F32', shape, data: new Uint8Array(data.slice().buffer) });
  }
  weights.add([...unitsOf(chosen)], tensors);
  const { size } = draft.input;
  const images = tf.tensor4d(pixels, [pixels.length / (3 * size * size), 3, size, size]);
  const logits = forward(manifest, weights, chosen, images);
  const values = (await logits.data()) as Float32Array;
  for (const one of [logits, images, weights]) one.dispose();
  return values;
}

const answers = parseSafetensors(fixtureBytes('expected.safetensors'), fixture('expected.safetensors'));

/** A tensor of expected.safetensors. */
export const expected = (name: string): Float32Array<ArrayBuffer> => tensorToF32(answers.get(name)!);

/** Names in expected.safetensors that start so, without it. */
export const expectedNames = (prefix: string): string[] =>
  [...answers.keys()].filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
