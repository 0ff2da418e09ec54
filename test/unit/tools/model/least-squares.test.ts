/**
 * The paper's claim on the default family: stitches that start from least squares work before any training, random ones do not.
 * No labels are in this repository, so the measure is how near a stitched route comes to what its back anchor answers.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { softmax } from '../../../../src/core/topk';
import type { PixelFrame } from '../../../../src/core/types';
import { createResampler } from '../../../../src/input/resample';
import { unitsOf } from '../../../../src/model/units';
import { DEFAULT_BUNDLE } from '../../../../src/tools/lib/classify-arguments';
import type { FamilyDraft } from '../../../../src/tools/model/family';
import { decodeJpeg } from '../../../../src/tools/model/jpeg';
import { NodeEngine, startNodeBackend } from '../../../../src/tools/model/node-engine';
import { readBundle } from '../../../../src/tools/model/read-bundle';
import { stitchFamily } from '../../../../src/tools/model/stitch-family';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const SAMPLES = join(ROOT, 'public/samples');
let anchors: FamilyDraft;
/** Normalised images, [count, 3, S, S]. */
let pixels: Float32Array;
let count = 0;

/** The upper left quarter of a photo, which the fit, on whole photos, does not see like that. */
function quarter({ data, width, height }: PixelFrame): PixelFrame {
  const [w, h] = [Math.floor(width / 2), Math.floor(height / 2)];
  const part = new Uint8Array(w * h * 4);
  for (let row = 0; row < h; row += 1) part.set(data.subarray(row * width * 4, (row * width + w) * 4), row * w * 4);
  return { data: part, width: w, height: h };
}

beforeAll(async () => {
  await startNodeBackend();
  anchors = (await readBundle(join(ROOT, dirname(DEFAULT_BUNDLE)))).draft;
  const resample = createResampler(anchors.input);
  const images: Float32Array[] = [];
  for (const file of readdirSync(SAMPLES).filter((name) => name.endsWith('.jpg'))) {
    images.push(resample(quarter(await decodeJpeg(new Uint8Array(readFileSync(join(SAMPLES, file))), file))));
  }
  count = images.length;
  pixels = new Float32Array(images.flatMap((image) => [...image]));
});

const ROUTES = 12;

/** Mean Kullback-Leibler divergence of some stitched routes, spread over all of them, from their back anchors. */
async function divergences(whole: FamilyDraft): Promise<number[]> {
  const stitched = whole.routes.filter(({ path }) => path.length > 1);
  const every = Math.floor(stitched.length / ROUTES);
  const some = stitched.filter((_, index) => index % every === 0).slice(0, ROUTES);
  const family = { ...whole, routes: [...whole.routes.filter(({ path }) => path.length === 1), ...some] };
  const engine = new NodeEngine(family, [...new Set(family.routes.flatMap((route) => unitsOf(route)))], family.tensors);
  const answers = new Map<string, Float32Array>();
  await engine.logitsOfAll(family.routes, pixels, count, ({ id }, logits) => void answers.set(id, logits.slice()));
  engine.dispose();
  const { classes } = family;
  return family.routes.flatMap(({ id, path }) => {
    const last = path.at(-1);
    if (path.length === 1 || last === undefined || !('anchor' in last)) return [];
    let sum = 0;
    for (let image = 0; image < count; image += 1) {
      const [p, q] = [last.anchor, id].map((route) =>
        softmax(answers.get(route)!.subarray(image * classes, (image + 1) * classes)),
      );
      for (let c = 0; c < classes; c += 1) sum += p![c]! * Math.log(Math.max(p![c]!, 1e-30) / Math.max(q![c]!, 1e-30));
    }
    return [sum / count];
  });
}

describe('stitches before any training', () => {
  it('answer like the back anchor where they come from least squares, and not where they are random', async () => {
    const photos = readdirSync(SAMPLES).filter((name) => name.endsWith('.jpg'));
    const images = photos.map((name) => ({ name, bytes: async () => new Uint8Array(readFileSync(join(SAMPLES, name))) }));
    const options = { kernel: 2, stride: 1, images, batch: 4, ridge: 1e-3, finalNorm: true, seed: 1 } as const;
    const [fitted, random] = await Promise.all(
      (['least-squares', 'random'] as const).map(async (init) =>
        divergences((await stitchFamily(anchors, { ...options, init })).draft),
      ),
    );
    expect(fitted).toHaveLength(ROUTES);
    const nearer = fitted!.filter((value, index) => value < random![index]!).length;
    expect(nearer / ROUTES).toBeGreaterThan(0.9);
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(fitted!)).toBeLessThan(mean(random!) / 4);
  });
});
