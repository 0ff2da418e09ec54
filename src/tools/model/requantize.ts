/** A family's matrices to int8, or back to f16: new weights, new known answers, and what it cost on labelled images. */
import { rm } from 'node:fs/promises';
import type { Accuracy, QuantizationSpec } from '../../bundle/manifest';
import { StitchError } from '../../core/errors';
import { dequantizeRows, quantizeRows } from '../../model/int8';
import { isMatrix } from '../../model/units';
import { computeCheck, type CheckOptions } from './check-vectors';
import { evaluateBundle, type EvaluateOptions } from './evaluate';
import type { FamilyDraft, FloatTensor } from './family';
import type { ReadFamily } from './read-bundle';
import { verifyFamily } from './verify';

export type Weights = QuantizationSpec['weights'];

/** The tensors with every matrix in that form, or undefined where every one already is. Errors: bundle-invalid (NaN, infinity). */
export function withWeights(tensors: ReadonlyMap<string, FloatTensor>, weights: Weights): Map<string, FloatTensor> | undefined {
  const changed = new Map<string, FloatTensor>();
  for (const [name, { shape, data, int8 }] of tensors) {
    if (!isMatrix(name, shape) || (int8 === undefined) === (weights === 'f16')) continue;
    if (weights === 'f16') {
      changed.set(name, { shape, data });
      continue;
    }
    const rows = quantizeRows(name, data, shape[0]!);
    changed.set(name, { shape, data: dequantizeRows(rows), int8: rows });
  }
  return changed.size === 0 ? undefined : new Map([...tensors, ...changed]);
}

/**
 * The family with all matrices in that form, and check vectors by the reference executor on them: the same images and routes as
 * before. So that they keep the worth of those that they replace, the family must first pass its own. Accuracies, which were
 * measured with the old weights, are dropped. The same draft where nothing changes.
 * Errors: bundle-invalid (weights that are not finite, a family that fails its own check vectors), aborted.
 */
export async function requantize(family: ReadFamily, weights: Weights, options: CheckOptions = {}): Promise<FamilyDraft> {
  const { draft } = family;
  const tensors = withWeights(draft.tensors, weights);
  if (tensors === undefined) return draft;
  const report = await verifyFamily(family, options);
  if (!report.passed) {
    const worst = Math.max(...report.routes.map(({ maxAbsError }) => maxAbsError));
    const problem = `${draft.name} fails its own check vectors: logits differ by ${worst}, allowed is ${report.tolerance}`;
    throw new StitchError('bundle-invalid', `${problem}. Get or write the bundle again before its weights are rounded.`);
  }
  const routes = draft.routes.map(({ id, path, finalNorm }) => ({ id, path, finalNorm }));
  const rounded: FamilyDraft = { ...draft, tensors, routes, quantization: { weights, images: 0, routes: [] } };
  return { ...rounded, check: await computeCheck(rounded, draft.check, options) };
}

const ENDINGS = ['before', 'after'] as const;

export interface LossOptions extends Pick<EvaluateOptions, 'images' | 'batch' | 'chunk' | 'restart' | 'signal' | 'onProgress'> {
  /** Routes to measure; all of the family make its accuracies complete again. */
  readonly routes: readonly string[];
  /** Progress is kept in two files of this name and an ending until the measurement is done. */
  readonly sideFile: string;
}

/** Runs routes with the old and with the new weights, and puts the result into the new family. Errors: those of `evaluateBundle`. */
export async function measureLoss(family: ReadFamily, rounded: FamilyDraft, options: LossOptions): Promise<FamilyDraft> {
  const { routes: ids, images, sideFile, onProgress } = options;
  const routes = family.manifest.routes.filter(({ id }) => ids.includes(id));
  const manifest = { ...family.manifest, routes };
  const run = (draft: FamilyDraft, when: (typeof ENDINGS)[number]) =>
    evaluateBundle(
      { ...family, manifest, draft },
      {
        ...options,
        sideFile: `${sideFile}.${when}.jsonl`,
        ...(when === 'after' && { rounded: rounded.quantization!.weights }),
        onProgress: (_phase, share) => onProgress?.(`evaluating ${when} rounding`, share),
      },
    );
  const [before, after] = [await run(family.draft, 'before'), await run(rounded, 'after')];
  const measured = routes.map(({ id }, index) => ({
    id,
    before: accuracyOf(before[index]!),
    after: accuracyOf(after[index]!),
  }));
  const { weights } = rounded.quantization!;
  const quantization = { weights, images: images.entries.length, set: images.name, routes: measured };
  const complete = routes.length === family.manifest.routes.length;
  const known = new Map(measured.map((route) => [route.id, route.after]));
  return {
    ...rounded,
    quantization,
    routes: complete ? rounded.routes.map((route) => ({ ...route, ...known.get(route.id) })) : rounded.routes,
  };
}

/** Forgets kept progress, once what it led to is written. */
export async function removeSideFiles(sideFile: string): Promise<void> {
  for (const when of ENDINGS) await rm(`${sideFile}.${when}.jsonl`, { force: true });
}

const accuracyOf = ({ top1, top5, loss }: Accuracy): Accuracy => ({ top1, top5, loss });
