/** The `pack` command: a bundle written anew, with other shards, another name, or weights rounded to int8. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Manifest, QuantizationSpec } from '../../bundle/manifest';
import { StitchError } from '../../core/errors';
import type { Io } from './commands';
import type { FamilyDraft } from './family';
import { openImages, pick } from './images';
import { mega, textTable } from './inspect';
import { requireFree } from './partial';
import { namedRoutes } from './route-names';
import { readBundle, type ReadFamily } from './read-bundle';
import { measureLoss, removeSideFiles, requantize, type Weights } from './requantize';
import { keptRemark, writeBundle } from './write-bundle';

export interface PackArguments {
  readonly json: boolean;
  readonly out: string;
  readonly group: number;
  readonly name?: string;
  readonly bundleVersion?: string;
  readonly weights?: Weights;
  readonly images?: string;
  readonly count?: number;
  readonly routes?: readonly string[];
  readonly batch: number;
  readonly restart: boolean;
  readonly force: boolean;
}

const CARD = 'MODEL_CARD.md';
const CHUNK = 32;

export async function pack(folder: string, args: PackArguments, io: Io): Promise<number> {
  await requireFree(resolve(args.out), args.force);
  const family = await readBundle(folder, { signal: io.signal });
  const draft = await reweighed(family, args, io);
  const changed = draft !== family.draft;
  const card = await readFile(join(folder, CARD), 'utf8').catch(() => undefined);
  let kept: readonly string[] = [];
  const named = { ...draft, name: args.name ?? draft.name, version: args.bundleVersion ?? draft.version };
  const manifest = await writeBundle(args.out, named, {
    groupSize: args.group,
    force: args.force,
    beside: new Map(card === undefined ? [] : [[CARD, card]]),
    signal: io.signal,
    onKept: (files) => (kept = files),
    onProgress: (done, of) => io.progress.update('writing', done / of),
  });
  await removeSideFiles(sideFileOf(args.out));
  io.progress.end();
  const beside = [...new Set(card === undefined ? kept : [CARD, ...kept])];
  if (changed && beside.length > 0) io.err(keptRemark(beside));
  const rated = (routes: Manifest['routes']) => routes.some(({ top1 }) => top1 !== undefined);
  if (changed && rated(family.manifest.routes) && !rated(manifest.routes)) {
    io.err(`The accuracies of the routes were of the old weights and are left out; \`evaluate ${args.out}\` measures them.`);
  }
  const bytes = manifest.shards.reduce((sum, shard) => sum + shard.bytes, 0);
  const { quantization } = changed ? manifest : {};
  const result = { bundle: args.out, shards: manifest.shards.length, bytes, ...(quantization && { quantization }) };
  const list = manifest.shards.map((shard) => `  ${mega(shard.bytes).padStart(8)} MB  ${shard.file}`);
  const head = `${args.out}: ${mega(bytes)} MB in ${manifest.shards.length} shards, in this order:`;
  const measured = quantization !== undefined && quantization.images > 0;
  if (quantization && !measured) io.err(`${lossText(quantization)} Pass --images with a labelled set to measure it.`);
  const text = [head, ...list, ...(measured ? ['', lossText(quantization)] : [])].join('\n');
  io.out(args.json ? JSON.stringify(result, undefined, 2) : text);
  return 0;
}

/** The family in the weights that were asked for, and measured where there are images; the same draft where nothing changes. */
async function reweighed(family: ReadFamily, args: PackArguments, io: Io): Promise<FamilyDraft> {
  if (args.weights === undefined) {
    if (args.images === undefined) return family.draft;
    const problem = '--images are for measuring what rounding the weights costs';
    throw new StitchError('argument-invalid', `${problem}. Pass --weights int8 too, or use the command evaluate.`);
  }
  const { routes: all } = family.manifest;
  const chosen =
    args.routes === undefined ? all.filter(({ path }) => path.length === 1) : namedRoutes(family.manifest, args.routes);
  const set = args.images === undefined ? undefined : await openImages(args.images, family.draft.labels);
  io.progress.update('rounding the weights', 0);
  const draft = await requantize(family, args.weights, { signal: io.signal });
  if (draft === family.draft) {
    io.progress.end();
    io.err(`The weights are ${args.weights} already: nothing is rounded${set === undefined ? '' : ', and nothing measured'}.`);
    return draft;
  }
  if (set === undefined) return draft;
  const entries = args.count === undefined ? set.entries : pick(set.entries, args.count, 0);
  return measureLoss(family, draft, {
    routes: chosen.map(({ id }) => id),
    images: { ...set, entries },
    batch: args.batch,
    chunk: CHUNK,
    sideFile: sideFileOf(args.out),
    restart: args.restart,
    signal: io.signal,
    onProgress: (phase, share) => io.progress.update(phase, share),
  });
}

const sideFileOf = (out: string): string => `${resolve(out)}.rounding`;

/** What rounding cost, in points of 100: a table, or that it was not measured. */
export function lossText({ weights, images, set, routes }: QuantizationSpec): string {
  if (images === 0) {
    return `Weights rounded to ${weights}; what that costs in accuracy was not measured.`;
  }
  const points = (share: number) => (share * 100).toFixed(2);
  const rows = routes.map(({ id, before, after }) => [
    id,
    points(before.top1),
    points(after.top1),
    points(before.top1 - after.top1),
    points(before.top5 - after.top5),
    (after.loss - before.loss).toFixed(4),
  ]);
  const table = textTable(['route', 'top-1 before', 'after', 'points lost', 'of top-5', 'loss gained'], rows);
  return `Weights rounded to ${weights}, measured on ${images} images of ${set ?? 'a set without name'}:\n${table}`;
}
