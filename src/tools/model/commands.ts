/** What the commands of `npm run model` do, apart from their options. */
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { writeBundle } from './write-bundle';
import { readBundle, readManifest } from './read-bundle';
import { evaluateBundle, recordResults } from './evaluate';
import { openImages, pick } from './images';
import { describeFamily, mega, routeRows, textTable } from './inspect';
import { requireFree, writeWhole } from './partial';
import { accuracyPlot } from './plot';
import type { Progress } from './progress';
import { stitchFamily } from './stitch-family';
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
  const { draft, groupSize } = await readBundle(folder);
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
  readonly batch: number;
  readonly chunk: number;
  readonly sideFile?: string;
  readonly restart: boolean;
  readonly plot?: string;
  readonly backend?: 'wasm' | 'cpu';
}

export async function evaluate(folder: string, args: EvaluateArguments, io: Io): Promise<number> {
  const family = await readBundle(folder);
  const set = await openImages(args.images, family.draft.labels);
  const images = args.count === undefined ? set : { ...set, entries: pick(set.entries, args.count, 0) };
  const sideFile = args.sideFile ?? `${resolve(folder)}.evaluation.jsonl`;
  const results = await evaluateBundle(family, {
    ...args,
    images,
    sideFile,
    signal: io.signal,
    onProgress: (phase, share) => io.progress.update(phase, share),
  });
  await recordResults(folder, family.document, results);
  const anchorNames = new Map(family.manifest.anchors.map(({ id, name }) => [id, name]));
  const { manifest } = family;
  if (args.plot !== undefined) {
    const points = results.map((result) => {
      const path = manifest.routes.find(({ id }) => id === result.id)?.path ?? [];
      const [only] = path;
      const anchor = path.length === 1 && only !== undefined && 'anchor' in only ? anchorNames.get(only.anchor) : undefined;
      return { ...result, ...(anchor === undefined ? {} : { anchor }) };
    });
    const title = `${manifest.name}: ${results.length} networks in one bundle, ${images.entries.length} images`;
    await writeWhole(args.plot, accuracyPlot(title, points));
  }
  await rm(sideFile, { force: true });
  io.progress.end();
  print(io, args.json, { images: images.entries.length, routes: results }, () =>
    textTable(
      ['route', 'MMACs', 'top-1', 'top-5', 'loss', 'Pareto'],
      [...results]
        .sort((a, b) => a.macs - b.macs)
        .map((r) => [r.id, mega(r.macs), percent(r.top1), percent(r.top5), r.loss.toFixed(3), r.pareto ? '★' : '']),
    ),
  );
  return 0;
}

export interface PackArguments extends Common {
  readonly out: string;
  readonly group: number;
  readonly name?: string;
  readonly bundleVersion?: string;
  readonly force: boolean;
}

export async function pack(folder: string, args: PackArguments, io: Io): Promise<number> {
  const { draft } = await readBundle(folder);
  const family = { ...draft, name: args.name ?? draft.name, version: args.bundleVersion ?? draft.version };
  const manifest = await writeBundle(args.out, family, {
    groupSize: args.group,
    force: args.force,
    signal: io.signal,
    onProgress: (done, of) => io.progress.update('writing', done / of),
  });
  io.progress.end();
  const bytes = manifest.shards.reduce((sum, shard) => sum + shard.bytes, 0);
  print(io, args.json, { bundle: args.out, shards: manifest.shards.length, bytes }, () =>
    [`${args.out}: ${mega(bytes)} MB in ${manifest.shards.length} shards, in this order:`]
      .concat(manifest.shards.map((shard) => `  ${mega(shard.bytes).padStart(8)} MB  ${shard.file}`))
      .join('\n'),
  );
  return 0;
}

export async function inspect(folder: string, { json }: Common, io: Io): Promise<number> {
  const { manifest } = await readManifest(folder);
  const { name, version, anchors, stitches } = manifest;
  print(io, json, { name, version, anchors, stitches, routes: routeRows(manifest) }, () => describeFamily(manifest));
  return 0;
}

export async function verify(folder: string, { json }: Common, io: Io): Promise<number> {
  const family = await readBundle(folder);
  io.progress.update('check vectors', 0.5);
  const report = await verifyFamily(family);
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
