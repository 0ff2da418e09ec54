/** What the commands of `npm run model` do, apart from their options. */
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Manifest } from '../../bundle/manifest';
import { StitchError } from '../../core/errors';
import { requireWritable } from '../lib/file-errors';
import { keptRemark, writeBundle } from './write-bundle';
import { lossText } from './pack-command';
import { readBundle, readManifest, weightForms } from './read-bundle';
import { evaluateBundle, recordResults } from './evaluate';
import { openImages, pick } from './images';
import { describeFamily, mega, routeRows, textTable } from './inspect';
import { requireFree, writeWhole } from './partial';
import { accuracyPlot, plotRoutes } from './plot';
import type { Progress } from './progress';
import { stitchFamily } from './stitch-family';
import { namedRoutes } from './route-names';
import { verifyFamily } from './verify';

/** What a command needs of the process. */
export interface Io {
  /** The result, on stdout. */
  out(text: string): void;
  /** Remarks, on stderr. */
  err(text: string): void;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

interface Common {
  readonly json: boolean;
}

export interface StitchArguments extends Common {
  readonly images: string;
  readonly out: string;
  readonly kernel: number;
  readonly stride: number;
  readonly count: number;
  readonly batch: number;
  readonly seed: number;
  readonly ridge: number;
  readonly init: 'least-squares' | 'random';
  readonly finalNorm: boolean;
  readonly name?: string;
  readonly group?: number;
  readonly force: boolean;
}

const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
const print = (io: Io, json: boolean, value: unknown, text: () => string) =>
  io.out(json ? JSON.stringify(value, undefined, 2) : text());

export async function stitch(folder: string, args: StitchArguments, io: Io): Promise<number> {
  await requireFree(resolve(args.out), args.force);
  const { draft, groupSize } = await readBundle(folder, { signal: io.signal });
  const images = pick((await openImages(args.images)).entries, args.count, args.seed);
  const started = performance.now();
  const stitched = await stitchFamily(draft, {
    ...args,
    images,
    signal: io.signal,
    onProgress: (phase, share) => io.progress.update(phase, share),
  });
  const family = { ...stitched.draft, name: args.name ?? stitched.draft.name };
  const manifest = await writeBundle(args.out, family, {
    groupSize: args.group ?? groupSize,
    force: args.force,
    signal: io.signal,
    onKept: (files) => io.err(keptRemark(files)),
    onProgress: (done, of) => io.progress.update('writing', done / of),
  });
  io.progress.end();
  const seconds = (performance.now() - started) / 1000;
  const counts = { stitches: manifest.stitches.length, routes: manifest.routes.length };
  const result = { bundle: args.out, ...counts, images: images.length, rows: stitched.rows, seconds, pairs: stitched.pairs };
  print(io, args.json, result, () => {
    const rows = stitched.pairs.map((pair) => [
      pair.stitch,
      pair.front,
      pair.back,
      percent(pair.before),
      percent(pair.own),
      percent(pair.after),
      pair.method,
    ]);
    const head = `${args.out}: ${counts.stitches} stitches, ${counts.routes} routes; ${images.length} images, ${seconds.toFixed(1)} s`;
    if (rows.length === 0) return head;
    const table = textTable(['stitch', 'front', 'back', 'mean only', 'own fit', 'as written', 'method'], rows);
    return `${head}\n\nRelative residuals of what each back block takes in:\n${table}`;
  });
  return 0;
}

export interface EvaluateArguments extends Common {
  readonly images: string;
  readonly count?: number;
  readonly routes?: readonly string[];
  readonly batch: number;
  readonly chunk: number;
  readonly sideFile?: string;
  readonly restart: boolean;
  readonly plot?: string;
  readonly backend?: 'wasm' | 'cpu';
}

export async function evaluate(folder: string, args: EvaluateArguments, io: Io): Promise<number> {
  if (args.plot !== undefined) await requireWritable(resolve(args.plot));
  const whole = await readBundle(folder, { signal: io.signal });
  const family = { ...whole, manifest: { ...whole.manifest, routes: namedRoutes(whole.manifest, args.routes) } };
  const set = await openImages(args.images, family.draft.labels);
  const images = args.count === undefined ? set : { ...set, entries: pick(set.entries, args.count, 0) };
  const sideFile = args.sideFile ?? `${resolve(folder)}.evaluation.jsonl`;
  const found = await evaluateBundle(family, {
    ...args,
    images,
    sideFile,
    signal: io.signal,
    onProgress: (phase, share) => io.progress.update(phase, share),
  });
  const front = await recordResults(folder, family.manifest, found);
  const results = found.map((result) => ({ ...result, pareto: front.has(result.id) }));
  await rm(sideFile, { force: true });
  io.progress.end();
  const stitched = summaryOf(family.manifest, results);
  print(io, args.json, { images: images.entries.length, ...(stitched && { stitched }), routes: results }, () => {
    const rows = [...results].sort((a, b) => a.macs - b.macs);
    const table = textTable(
      ['route', 'MMACs', 'top-1', 'top-5', 'loss', 'Pareto'],
      rows.map((r) => [r.id, mega(r.macs), percent(r.top1), percent(r.top5), r.loss.toFixed(3), r.pareto ? '★' : '']),
    );
    if (stitched === undefined) return table;
    const { routes, mean, lowest, highest } = stitched;
    return `${table}\n\n${routes} stitched routes: top-1 ${percent(mean)} in the mean, ${percent(lowest)} to ${percent(highest)}`;
  });
  // After the table: what took hours is told, whatever becomes of the picture.
  if (args.plot !== undefined) {
    const note = `; ${images.entries.length} images`;
    await writePlot(args.plot, (await readManifest(folder)).manifest, family.manifest.name, note);
  }
  return 0;
}

/** Top-1 of the stitched routes among the results; undefined where there is none. */
function summaryOf({ routes }: Manifest, results: readonly { readonly id: string; readonly top1: number }[]) {
  const alone = new Set(routes.filter(({ path }) => path.length === 1).map(({ id }) => id));
  const values = results.filter(({ id }) => !alone.has(id)).map(({ top1 }) => top1);
  if (values.length === 0) return undefined;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { routes: values.length, mean, lowest: Math.min(...values), highest: Math.max(...values) };
}

export interface PlotArguments extends Common {
  readonly out: string;
  readonly title?: string;
}

export async function plot(folder: string, args: PlotArguments, io: Io): Promise<number> {
  const { manifest } = await readManifest(folder);
  await writePlot(args.out, manifest, args.title ?? manifest.name);
  const routes = plotRoutes(manifest).length;
  print(io, args.json, { plot: args.out, routes }, () => `${args.out}: ${routes} routes of ${manifest.name}`);
  return 0;
}

async function writePlot(path: string, manifest: Manifest, title: string, note = ''): Promise<void> {
  const routes = plotRoutes(manifest);
  if (routes.length === 0) {
    const remedy = 'Run `evaluate` on labelled images first.';
    throw new StitchError('argument-invalid', `No route of ${manifest.name} has a measured accuracy. ${remedy}`);
  }
  await writeWhole(path, accuracyPlot(title, routes, note));
}

export async function inspect(folder: string, { json }: Common, io: Io): Promise<number> {
  const { manifest } = await readManifest(folder);
  const { name, version, anchors, stitches, quantization } = manifest;
  const weights = await weightForms(folder, manifest);
  const about = { name, version, anchors, stitches, ...(weights && { weights }), ...(quantization && { quantization }) };
  print(io, json, { ...about, routes: routeRows(manifest) }, () =>
    [
      describeFamily(manifest),
      ...(weights && weights.int8 > 0 ? ['', `${mega(weights.int8)} M weights in int8, ${mega(weights.f16)} M in f16`] : []),
      ...(quantization ? ['', lossText(quantization)] : []),
    ].join('\n'),
  );
  return 0;
}

export async function verify(folder: string, { json }: Common, io: Io): Promise<number> {
  const { signal } = io;
  const family = await readBundle(folder, { signal, onProgress: (share) => io.progress.update('hashing', share) });
  const report = await verifyFamily(family, {
    signal,
    onProgress: (share) => io.progress.update('check vectors', share),
  });
  io.progress.end();
  const files = family.manifest.shards.length + 2;
  print(io, json, { files, ...report }, () =>
    [
      `${join(folder, 'manifest.json')}: ${files} files have the size and the SHA-256 that it says`,
      ...report.routes.map(({ id, maxAbsError }) => `  ${id}: logits differ by at most ${maxAbsError.toExponential(1)}`),
      report.passed ? `passed, within ${report.tolerance}` : `FAILED, allowed is ${report.tolerance}`,
      ...(report.source === 'reference'
        ? [
            'The vectors are by this project’s own reference executor: they show agreement, not correctness. PyTorch’s are better.',
          ]
        : []),
    ].join('\n'),
  );
  return report.passed ? 0 : 1;
}
