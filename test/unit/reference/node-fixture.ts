/** The committed fixture bundles with PyTorch's answers, read from disk. */
import { readFileSync } from 'node:fs';
import type { Manifest } from '../../../src/bundle/manifest';
import { parseSafetensors, tensorToF32, type Tensors } from '../../../src/bundle/safetensors';

export interface NodeFixture {
  readonly manifest: Manifest;
  readonly shards: readonly { readonly units: readonly string[]; readonly tensors: Tensors }[];
  readonly batch: number;
  /** Normalised images, [B, 3, S, S]. */
  readonly pixels: Float32Array<ArrayBuffer>;
  /** PyTorch's logits of one route, [B, C], on the f16-rounded or int8 weights or the f32 originals; not every fixture has all. */
  expected(route: string, weights: 'f16' | 'f32' | 'int8'): Float32Array;
}

export function readFixture(name: string): NodeFixture {
  const read = (file: string) => new Uint8Array(readFileSync(new URL(`../../fixtures/${name}/${file}`, import.meta.url)));
  const manifest = JSON.parse(new TextDecoder().decode(read('manifest.json'))) as Manifest;
  const answers = parseSafetensors(read('expected.safetensors'), 'expected.safetensors');
  const values = (tensor: string) => tensorToF32(answers.get(tensor)!);
  const pixels = values('pixels');
  const batch = pixels.length / (3 * manifest.input.size ** 2);
  const row = batch * manifest.classes;
  return {
    manifest,
    shards: manifest.shards.map(({ file, units }) => ({ units, tensors: parseSafetensors(read(file), file) })),
    batch,
    pixels,
    expected(route, weights) {
      const index = manifest.routes.findIndex(({ id }) => id === route);
      if (index < 0) throw new Error(`${name} has no route ${route}`);
      return values(`logits_${weights}`).slice(index * row, (index + 1) * row); // [R, B, C] -> [B, C]
    },
  };
}
