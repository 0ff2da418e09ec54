/** `import`: checkpoints to a bundle whose routes are the anchors, or all of an SN-Net's. */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { env } from 'node:process';
import { StitchError } from '../../core/errors';
import { fetchSource } from '../download/fetch-source';
import { importFamily, type FamilyOptions } from '../import/import';
import { openCheckpoint } from '../import/source';
import type { Io } from './commands';
import { requireFree } from './partial';
import { keptRemark, writeBundle } from './write-bundle';

export interface ImportArguments {
  readonly out: string;
  readonly name: string;
  readonly bundleVersion: string;
  readonly license?: string;
  readonly id?: readonly string[];
  readonly heads?: readonly number[];
  readonly eps?: number;
  readonly labels?: string;
  readonly crop?: number;
  readonly filter?: 'bilinear' | 'bicubic';
  readonly mean?: readonly [number, number, number];
  readonly std?: readonly [number, number, number];
  readonly kernel: number;
  readonly stride: number;
  readonly finalNorm?: boolean;
  readonly entry?: string;
  readonly sha256?: string;
  readonly cache?: string;
  readonly refresh: boolean;
  readonly group: number;
  readonly force: boolean;
  readonly json: boolean;
}

/** Where downloads are kept: the user's cache folder. */
const defaultCache = (): string => join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'running-stitch');

/** A JSON list of strings, or of objects with `display` or `name`. Errors: argument-invalid. */
async function readLabelFile(path: string): Promise<string[]> {
  const fail = (problem: string): never => {
    throw new StitchError('argument-invalid', `${path} ${problem}. Give a JSON list of strings, one a class, in class order.`);
  };
  const text = await readFile(path, 'utf8').catch(() => fail('cannot be read'));
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return fail('is not JSON');
  }
  if (!Array.isArray(list)) return fail('is no list');
  return list.map((entry: unknown, index) => {
    const fields = entry as { readonly display?: unknown; readonly name?: unknown } | null;
    const label = typeof entry === 'object' ? (fields?.display ?? fields?.name) : entry;
    return typeof label === 'string' ? label : fail(`has no label at index ${index}`);
  });
}

export async function importCommand(sources: readonly string[], args: ImportArguments, io: Io): Promise<number> {
  if (args.sha256 !== undefined && sources.length > 1) {
    const problem = `--sha256 is of one file, and there are ${sources.length} checkpoints`;
    throw new StitchError('argument-invalid', `${problem}. Import them without it, or check the files by hand.`);
  }
  await requireFree(resolve(args.out), args.force);
  const note = (text: string) => {
    io.progress.end();
    io.err(`note: ${text}`);
  };
  const fetched = [];
  for (const source of sources) {
    fetched.push(
      await fetchSource(source, args.cache ?? defaultCache(), {
        signal: io.signal,
        onProgress: ({ file, bytes, total }) => io.progress.update(`fetching ${file}`, total === undefined ? 0 : bytes / total),
        onCached: (path) => note(`${source} is from the cache, ${path}; pass --refresh to fetch it again.`),
        refresh: args.refresh,
        ...(args.sha256 === undefined ? {} : { sha256: args.sha256 }),
      }),
    );
  }
  const { crop, filter, mean, std } = args;
  const input = Object.fromEntries(Object.entries({ crop, filter, mean, std }).filter(([, value]) => value !== undefined));
  const options: FamilyOptions = {
    name: args.name,
    version: args.bundleVersion,
    sources: fetched.map(({ label }) => label),
    input,
    window: { kernel: args.kernel, stride: args.stride },
    onNote: note,
    onRead: (bytes, of) => io.progress.update('reading', bytes / of),
    ...(args.license === undefined ? {} : { license: args.license }),
    ...(args.id === undefined ? {} : { ids: args.id }),
    ...(args.heads === undefined ? {} : { heads: args.heads }),
    ...(args.eps === undefined ? {} : { eps: args.eps }),
    ...(args.labels === undefined ? {} : { labels: await readLabelFile(args.labels) }),
    ...(args.finalNorm === undefined ? {} : { stitchedFinalNorm: args.finalNorm }),
  };
  io.progress.update('reading', 0);
  const draft = importFamily(
    fetched.map(({ path }) => openCheckpoint(path, { entry: args.entry })),
    options,
  );
  const manifest = await writeBundle(args.out, draft, {
    groupSize: args.group,
    force: args.force,
    signal: io.signal,
    onKept: (files) => io.err(keptRemark(files)),
    onProgress: (done, of) => io.progress.update('writing', done / of),
  });
  io.progress.end();
  const anchors = manifest.anchors.map(({ id, config }) => `${id} (width ${config.dim}, ${config.depth} blocks)`);
  const counts = { stitches: manifest.stitches.length, routes: manifest.routes.length };
  const text = `${args.out}: ${anchors.join(', ')}; ${counts.stitches} stitches, ${counts.routes} routes`;
  io.out(args.json ? JSON.stringify({ bundle: args.out, anchors: manifest.anchors, ...counts }, undefined, 2) : text);
  return 0;
}
