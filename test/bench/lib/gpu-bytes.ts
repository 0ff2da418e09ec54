/** What a whole family takes on a GPU, by the layout that its buffers are made from. */
import type { Manifest } from '../../../src/bundle/manifest';
import { createVitFamily } from '../../../src/gpu/families/vit';
import { layoutOf } from '../../../src/gpu/layout';
import { tensorsOf, unitsOfAnchor } from '../../../src/model/units';

export interface GpuBytes {
  readonly weights: number;
  readonly activations: number;
}

/** All anchors and stitches, resident at once. */
export function gpuBytes(manifest: Manifest, int8: boolean): GpuBytes {
  const { anchors, stitches } = manifest;
  const units = [...anchors.flatMap((anchor) => unitsOfAnchor(anchor)), ...stitches.map(({ id }) => `stitches.${id}`)];
  const weights = units.map((unit) => layoutOf(tensorsOf(manifest, unit), () => int8).bytes);
  const { activations } = createVitFamily(manifest, {
    formatOf: () => (int8 ? 'int8' : 'f16'),
    tilingOf: () => 'direct4',
    attentionOf: () => ({ queries: 1, parts: 1 }),
    halves: 'unpacked',
    images: 1,
  });
  const sum = (list: Iterable<number>) => [...list].reduce((total, bytes) => total + bytes, 0);
  return { weights: sum(weights), activations: sum(activations.values()) };
}

/** One sentence, for f16 and int8. */
export function gpuBytesText(manifest: Manifest): string {
  const mb = (bytes: number) => (bytes / 1e6).toFixed(2);
  const line = (name: string, { weights, activations }: GpuBytes) =>
    `${name} ${mb(weights)} + ${mb(activations)} = ${mb(weights + activations)} MB`;
  const parts = [line('f16', gpuBytes(manifest, false)), line('int8', gpuBytes(manifest, true))];
  return `weights + activations on a GPU, everything loaded: ${parts.join('; ')}`;
}
