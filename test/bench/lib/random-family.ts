/** Families of seeded random weights: the right shapes and sizes without a download. What they answer means nothing. */
import { hash32, mulberry32, normal } from '../../../src/control/random';
import { quantizeRows, dequantizeRows } from '../../../src/model/int8';
import { enumerateRoutes } from '../../../src/model/stitching';
import { tensorsOf, unitsOf } from '../../../src/model/units';
import type { FamilyDraft, FloatTensor } from '../../../src/tools/model/family';
import { rounded } from '../../../src/tools/model/half';
import { SHAPES, type ShapeId } from './shapes';

export type WeightKind = 'f16' | 'int8';

/**
 * All anchors of `ids`, which share input and classes, with every stitched route between neighbours. Weights are already what a
 * bundle can hold: rounded to f16 and widened, or with `int8` every matrix rounded once more to int8. The same ids and seed give
 * the same weights.
 */
export function randomFamily(ids: readonly ShapeId[], seed = 7, weights: WeightKind = 'f16'): FamilyDraft {
  const shapes = ids.map((id) => SHAPES[id]);
  const first = shapes[0];
  if (first === undefined) throw new Error('A family needs at least one shape.');
  const anchors = ids.map((id) => ({ id, name: SHAPES[id].title, config: SHAPES[id].config }));
  const space = enumerateRoutes(
    anchors.map(({ id, config }) => ({ id, depth: config.depth })),
    { kernel: 2, stride: 1 },
  );
  const { input, classes } = first;
  const described = {
    input,
    classes,
    anchors,
    stitches: space.stitches.map(({ id, from, to }) => ({ id, from, to })),
    // As in the official DeiT checkpoint.
    routes: space.routes.map((route) => ({ ...route, finalNorm: route.path.length === 1 })),
  };
  const tensors = new Map<string, FloatTensor>();
  for (const unit of new Set(described.routes.flatMap((route) => unitsOf(route)))) {
    for (const { name, shape, matrix } of tensorsOf(described, unit)) {
      const half = rounded(name, { shape, data: randomTensor(name, shape, seed) });
      tensors.set(name, weights === 'int8' && matrix ? toInt8(name, half) : half);
    }
  }
  return {
    ...described,
    name: `random-${ids.join('-')}`,
    version: '1.0.0',
    license: 'Seeded random numbers, for benchmarks only; same licence as the repository.',
    sources: [`seed ${seed}`],
    labels: Array.from({ length: classes }, (_, index) => `class ${index}`),
    tensors,
  };
}

/**
 * Spread so that activations stay near 1 from block to block and logits differ: freshly initialised networks answer with almost
 * nothing, which would hide wrong kernels.
 */
function randomTensor(name: string, shape: readonly number[], seed: number): Float32Array {
  const random = mulberry32(hash32(name) ^ seed);
  const [rows = 1, ...rest] = shape;
  const inputs = rest.reduce((product, size) => product * size, 1);
  const embedding = /\.embed\.(?:cls|pos)$/.test(name);
  const gain = /\.norm\d?\.weight$/.test(name);
  const matrix = rest.length > 0 && !embedding;
  const [mean, spread] = gain ? [1, 0.1] : [0, embedding ? 0.3 : matrix ? 1 / Math.sqrt(inputs) : 0.05];
  const data = new Float32Array(rows * inputs);
  // A loop: a family has up to a hundred million of them.
  for (let i = 0; i < data.length; i += 1) data[i] = mean + spread * normal(random);
  return data;
}

function toInt8(name: string, { shape, data }: FloatTensor): FloatTensor {
  const int8 = quantizeRows(name, data, shape[0] ?? 0);
  return { shape, data: dequantizeRows(int8), int8 };
}
