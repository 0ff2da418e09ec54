/** Accuracy of every route of a bundle on labelled images, with the weights as shipped, into its manifest. */
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import type { Manifest, QuantizationSpec, RouteSpec } from '../../bundle/manifest';
import { validateManifest } from '../../bundle/validate';
import { StitchError } from '../../core/errors';
import { softmax } from '../../core/topk';
import { unitsOf } from '../../model/units';
import type { ReferenceBackend } from '../../reference/backends';
import { readPixels, type ImageSet } from './images';
import { manifestText } from './manifest-text';
import { NodeEngine, startNodeBackend } from './node-engine';
import { paretoFront, withFront } from './pareto';
import { throwIfStopped, writeWhole } from './partial';
import { readManifest, type ReadFamily } from './read-bundle';
import { openSideFile } from './side-file';

export interface EvaluateOptions {
  /** Every entry has a label below the number of classes. */
  readonly images: ImageSet;
  /** Images a pass of the network. */
  readonly batch: number;
  /** Images after which progress is kept. */
  readonly chunk: number;
  /** Where progress is kept until the end. */
  readonly sideFile: string;
  readonly restart: boolean;
  /** Where the weights are not those of the shards: the form that they were rounded to. */
  readonly rounded?: QuantizationSpec['weights'];
  readonly backend?: ReferenceBackend;
  readonly signal?: AbortSignal;
  readonly onProgress?: (phase: string, share: number) => void;
}

export interface RouteResult {
  readonly id: string;
  readonly macs: number;
  /** Shares of 1. */
  readonly top1: number;
  readonly top5: number;
  /** Mean cross-entropy, natural logarithm. */
  readonly loss: number;
  readonly pareto: boolean;
}

/** Over some images: right at first, right among five, sum of losses. */
type Sums = readonly [first: number, five: number, loss: number];

/** One chunk of images, by route. */
interface Part {
  readonly from: number;
  readonly count: number;
  readonly sums: Readonly<Record<string, Sums>>;
}

const TOP = 5;

/**
 * Runs every route on every image and returns the results in the manifest's order. An earlier run that was stopped is taken up.
 * Errors: argument-invalid (another evaluation's side file), frame-invalid (an image that cannot be read), bundle-invalid (logits
 * that are no numbers), storage, aborted; what is finished stays in the side file.
 */
export async function evaluateBundle({ manifest, draft }: ReadFamily, options: EvaluateOptions): Promise<RouteResult[]> {
  const { images, batch, chunk, signal, onProgress } = options;
  const { entries } = images;
  const backend = await startNodeBackend(options.backend);
  const task = {
    weights: weightsDigest(manifest),
    rounded: options.rounded,
    images: digestOf(images),
    count: entries.length,
    chunk,
    backend,
  };
  const side = await openSideFile<Part>(options.sideFile, task, options.restart);
  const parts = new Map(side.parts.map((part) => [part.from, part]));
  const units = [...new Set(manifest.routes.flatMap((route) => unitsOf(route)))];
  const engine = new NodeEngine(manifest, units, draft.tensors);
  const length = 3 * manifest.input.size ** 2;
  try {
    for (let from = 0; from < entries.length; from += chunk) {
      if (parts.has(from)) continue;
      throwIfStopped(signal);
      const own = entries.slice(from, from + chunk);
      const pixels = await readPixels(own, manifest.input);
      const sums: Record<string, Sums> = Object.fromEntries(manifest.routes.map(({ id }) => [id, [0, 0, 0]]));
      let answered = 0;
      for (let at = 0; at < own.length; at += batch) {
        const shown = own.slice(at, at + batch);
        const labels = shown.map(({ label }) => label!);
        const input = pixels.subarray(at * length, (at + labels.length) * length);
        await engine.logitsOfAll(manifest.routes, input, labels.length, async (route, logits) => {
          throwIfStopped(signal);
          requireFinite(logits, route.id, shown);
          sums[route.id] = added(sums[route.id]!, score(logits, labels));
          answered += labels.length;
          onProgress?.('evaluating', (from + answered / manifest.routes.length) / entries.length);
          await new Promise((resolve) => setImmediate(resolve)); // lets Ctrl-C in
        });
      }
      const part = { from, count: own.length, sums };
      parts.set(from, part);
      await side.add(part);
    }
  } finally {
    engine.dispose();
  }
  return summarize(manifest.routes, [...parts.values()], entries.length);
}

/** What the answers depend on: weights, input and how the routes end. */
function weightsDigest({ shards, input, routes }: Manifest): string {
  const hash = createHash('sha256').update(shards.map(({ sha256 }) => sha256).join());
  return hash.update(JSON.stringify([input, routes.map(({ id, finalNorm }) => [id, finalNorm])])).digest('hex');
}

/** Names, classes and their order; the bytes of the images are not read for it. */
function digestOf({ name, entries }: ImageSet): string {
  const hash = createHash('sha256').update(name);
  for (const entry of entries) hash.update(`\n${entry.name} ${entry.label}`);
  return hash.digest('hex');
}

function added(a: Sums, b: Sums): Sums {
  return [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
}

/** NaN is neither above nor below the right class, which would count as right. */
function requireFinite(logits: Float32Array, route: string, images: readonly { readonly name: string }[]): void {
  const at = logits.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  const { name } = images[Math.floor(at / (logits.length / images.length))]!;
  const problem = `Route "${route}" answers ${name} with the logit ${logits[at]}`;
  throw new StitchError('bundle-invalid', `${problem}. Its weights are damaged or diverged: get or train it again.`, { route });
}

/** `logits`: [labels, classes]. */
function score(logits: Float32Array, labels: readonly number[]): Sums {
  const classes = logits.length / labels.length;
  let [first, five, loss] = [0, 0, 0];
  for (const [image, label] of labels.entries()) {
    const row = logits.subarray(image * classes, (image + 1) * classes); // [B, C] -> [C]
    // Rank of the right class; an equal logit of an earlier class counts as before it, as in a stable sort.
    let rank = 0;
    for (let c = 0; c < classes; c += 1) if (row[c]! > row[label]! || (row[c] === row[label] && c < label)) rank += 1;
    if (rank < 1) first += 1;
    if (rank < TOP) five += 1;
    loss -= Math.log(Math.max(softmax(row)[label]!, Number.MIN_VALUE));
  }
  return [first, five, loss];
}

function summarize(
  routes: readonly { readonly id: string; readonly macs: number }[],
  parts: readonly Part[],
  images: number,
): RouteResult[] {
  const round = (value: number) => Math.round(value * 1e5) / 1e5;
  const rated = routes.map(({ id, macs }) => {
    const [first, five, loss] = [0, 1, 2].map((at) => parts.reduce((sum, { sums }) => sum + sums[id]![at]!, 0) / images);
    return { id, macs, top1: round(first!), top5: round(five!), loss: round(loss!) };
  });
  const front = new Set(paretoFront(rated));
  return rated.map((route) => ({ ...route, pareto: front.has(route.id) }));
}

/**
 * Writes accuracies into the manifest as it stands by then, in one step, and marks the Pareto front of all routes whose accuracy it
 * knows; routes without a result keep what they have, and nothing else of it changes. `evaluated`: what the results are of.
 * Returns the ids of that front. Errors: bundle-integrity where the folder holds other weights by now, bundle-invalid, storage.
 */
export async function recordResults(
  folder: string,
  evaluated: Manifest,
  results: readonly RouteResult[],
): Promise<ReadonlySet<string>> {
  const { manifest, document } = await readManifest(folder);
  const path = join(folder, 'manifest.json');
  if (weightsDigest(manifest) !== weightsDigest({ ...evaluated, routes: manifest.routes }) || !hasRoutes(manifest, evaluated)) {
    const problem = `${path}: the bundle was written anew while it was evaluated, and the results are of the old one`;
    const remedy = 'Nothing was written; evaluate it again with --restart.';
    throw new StitchError('bundle-integrity', `${problem}. ${remedy}`, { path });
  }
  const byId = new Map(results.map((result) => [result.id, result]));
  const routes = withFront(
    document.routes.map((route) => {
      const result = byId.get(route.id);
      return result === undefined ? route : { ...route, top1: result.top1, top5: result.top5, loss: result.loss };
    }),
  );
  const text = manifestText({ ...document, routes });
  validateManifest(JSON.parse(text), path);
  await writeWhole(path, text);
  return new Set(routes.filter(({ pareto }) => pareto).map(({ id }) => id));
}

/** Whether every route of `evaluated` is still the same one. */
function hasRoutes(manifest: Manifest, evaluated: Manifest): boolean {
  const form = ({ id, path, finalNorm }: RouteSpec) => JSON.stringify([id, path, finalNorm]);
  const known = new Set(manifest.routes.map(form));
  return evaluated.routes.every((route) => known.has(form(route)));
}
