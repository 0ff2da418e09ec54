/**
 * Untrusted JSON to a Manifest. Hand-written because it ships in the worker. The result is a fresh object with the known
 * fields only; unknown fields are ignored, so that a later writer may add some without a new format number.
 */
import type { AnchorSpan, RoutePath, StitchStep } from '../core/types';
import { checkFiles, checkUnits } from './coverage';
import { FieldReader, show, type Fields } from './fields';
import { FORMAT } from './manifest';
import { readPriors } from './priors';
import { readQuantization } from './quantization';
import type {
  AnchorSpec,
  CheckSpec,
  FileRef,
  InputSpec,
  Manifest,
  RouteSpec,
  ShardSpec,
  StitchSpec,
  VitConfig,
} from './manifest';

/** Bounds on counts, dims and bytes: far above any real bundle, low enough that a hostile one costs no more than its text. */
const MAX = {
  anchors: 16,
  depth: 128,
  dim: 8192,
  mlp: 32768,
  size: 2048,
  tokens: 16385,
  classes: 65536,
  stitches: 4096,
  routes: 8192,
  path: 15,
  shards: 4096,
  unitsPerShard: 8192,
  checkRoutes: 256,
  labelBytes: 2 ** 24,
  fileBytes: 2 ** 30,
} as const;

interface Context {
  readonly read: FieldReader;
  readonly anchors: ReadonlyMap<string, AnchorSpec>;
  readonly stitches: ReadonlyMap<string, StitchSpec>;
}

/**
 * Checks a parsed manifest. Source of the rules: docs/bundle-format.md.
 * Errors: bundle-invalid, with `detail.path` naming the first bad field.
 */
export function validateManifest(json: unknown, url: string): Manifest {
  const read = new FieldReader('Manifest', url);
  const root = read.object(json, 'the document');
  if (root['format'] !== FORMAT) {
    read.fail(
      'format',
      `is ${show(root['format'])}`,
      `This runtime reads ${show(FORMAT)}; rebuild the bundle or update the runtime.`,
    );
  }
  const input = readInput(read, root['input']);
  const anchors = readAll(read, root['anchors'], 'anchors', 1, MAX.anchors, (value, path) =>
    readAnchor(read, value, path, input),
  );
  const anchorById = uniqueIds(read, anchors, 'anchors');
  const stitches = readAll(read, root['stitches'], 'stitches', 0, MAX.stitches, (value, path) =>
    readStitch(read, value, path, anchorById),
  );
  const context: Context = { read, anchors: anchorById, stitches: uniqueIds(read, stitches, 'stitches') };
  const routes = readAll(read, root['routes'], 'routes', 1, MAX.routes, (value, path) => readRoute(context, value, path));
  const routeById = uniqueIds(read, routes, 'routes');
  const shards = readAll(read, root['shards'], 'shards', 1, MAX.shards, (value, path) => readShard(read, value, path));
  const manifest: Manifest = {
    format: FORMAT,
    name: read.string(root['name'], 'name', 200, 1),
    version: read.string(root['version'], 'version', 100, 1),
    license: read.string(root['license'], 'license', 4000),
    sources: readAll(read, root['sources'], 'sources', 0, 100, (value, path) => read.string(value, path, 1000)),
    family: read.oneOf(root['family'], 'family', ['vit']),
    input,
    classes: read.integer(root['classes'], 'classes', 1, MAX.classes),
    labels: readFile(read, root['labels'], 'labels', MAX.labelBytes),
    anchors,
    stitches,
    routes,
    shards,
    check: readCheck(read, root['check'], routeById),
    ...(root['quantization'] === undefined ? {} : { quantization: readQuantization(read, root['quantization'], routeById) }),
    ...(root['priors'] === undefined ? {} : { priors: readPriors(read, root['priors'], routeById) }),
  };
  checkUnits(read, manifest);
  checkFiles(read, manifest);
  return manifest;
}

function readAll<T>(
  read: FieldReader,
  value: unknown,
  path: string,
  min: number,
  max: number,
  one: (value: unknown, path: string) => T,
): T[] {
  // Array.from, because map skips the holes of a sparse list.
  return Array.from(read.list(value, path, min, max), (entry, index) => one(entry, `${path}[${index}]`));
}

function uniqueIds<T extends { readonly id: string }>(read: FieldReader, entries: readonly T[], path: string): Map<string, T> {
  const byId = new Map<string, T>();
  for (const [index, entry] of entries.entries()) {
    if (byId.has(entry.id)) read.fail(`${path}[${index}].id`, `repeats ${show(entry.id)}`, 'Give every entry its own id.');
    byId.set(entry.id, entry);
  }
  return byId;
}

function readFile(read: FieldReader, value: unknown, path: string, maxBytes: number = MAX.fileBytes): FileRef {
  const fields = read.object(value, path);
  return {
    file: read.file(fields['file'], `${path}.file`),
    bytes: read.integer(fields['bytes'], `${path}.bytes`, 1, maxBytes),
    sha256: read.sha256(fields['sha256'], `${path}.sha256`),
  };
}

function readInput(read: FieldReader, value: unknown): InputSpec {
  const fields = read.object(value, 'input');
  const channels = (name: 'mean' | 'std'): readonly [number, number, number] => {
    const path = `input.${name}`;
    const list = read.list(fields[name], path, 3, 3);
    const at = (index: number) =>
      read.number(list[index], `${path}[${index}]`, name === 'std' ? { above: 0, max: 1000 } : { min: -1000, max: 1000 });
    return [at(0), at(1), at(2)];
  };
  return {
    size: read.integer(fields['size'], 'input.size', 1, MAX.size),
    crop: read.number(fields['crop'], 'input.crop', { above: 0, max: 1 }),
    filter: read.oneOf(fields['filter'], 'input.filter', ['bilinear', 'bicubic']),
    mean: channels('mean'),
    std: channels('std'),
  };
}

function readAnchor(read: FieldReader, value: unknown, path: string, input: InputSpec): AnchorSpec {
  const fields = read.object(value, path);
  return {
    id: read.id(fields['id'], `${path}.id`, false),
    name: read.string(fields['name'], `${path}.name`, 200, 1),
    config: readConfig(read, read.object(fields['config'], `${path}.config`), `${path}.config`, input.size),
  };
}

function readConfig(read: FieldReader, fields: Fields, path: string, size: number): VitConfig {
  const integer = (name: string, max: number) => read.integer(fields[name], `${path}.${name}`, 1, max);
  const dim = integer('dim', MAX.dim);
  const heads = integer('heads', MAX.dim);
  const mlp = integer('mlp', MAX.mlp);
  const patch = integer('patch', MAX.size);
  if (dim % 4 !== 0) read.fail(`${path}.dim`, `is ${dim}`, 'It must be a multiple of 4.');
  if (mlp % 4 !== 0) read.fail(`${path}.mlp`, `is ${mlp}`, 'It must be a multiple of 4.');
  if (dim % heads !== 0) read.fail(`${path}.heads`, `is ${heads}`, `It must divide dim, ${dim}.`);
  if ((dim / heads) % 4 !== 0)
    read.fail(`${path}.heads`, `is ${heads}`, `dim / heads is ${dim / heads} and must be a multiple of 4.`);
  if (size % patch !== 0) read.fail(`${path}.patch`, `is ${patch}`, `It must divide input.size, ${size}.`);
  const tokens = 1 + (size / patch) ** 2;
  if (tokens > MAX.tokens) {
    read.fail(
      `${path}.patch`,
      `is ${patch}, which makes ${tokens} tokens`,
      `This runtime takes at most ${MAX.tokens}; use larger patches.`,
    );
  }
  return {
    dim,
    depth: integer('depth', MAX.depth),
    heads,
    mlp,
    patch,
    eps: read.number(fields['eps'], `${path}.eps`, { above: 0, max: 0.1 }),
  };
}

function readStitch(read: FieldReader, value: unknown, path: string, anchors: ReadonlyMap<string, AnchorSpec>): StitchSpec {
  const fields = read.object(value, path);
  const id = read.id(fields['id'], `${path}.id`, true);
  const end = (name: 'from' | 'to'): AnchorSpec =>
    anchors.get(read.string(fields[name], `${path}.${name}`, 200)) ??
    read.fail(`${path}.${name}`, `is ${show(fields[name])}`, 'Use the id of an entry of anchors.');
  const from = end('from');
  const to = end('to');
  if (from === to) read.fail(`${path}.to`, `is ${show(to.id)}, as from is`, 'A stitch joins two different anchors.');
  // Tokens are carried over one to one, and only the first anchor's position embedding is used.
  if (from.config.patch !== to.config.patch) {
    const problem = `is ${show(to.id)} with patch ${to.config.patch}, but from has patch ${from.config.patch}`;
    read.fail(`${path}.to`, problem, 'Stitch only anchors with the same number of tokens.');
  }
  return { id, from: from.id, to: to.id };
}

function readRoute(context: Context, value: unknown, path: string): RouteSpec {
  const { read } = context;
  const fields = read.object(value, path);
  const optional = (name: 'top1' | 'top5' | 'loss', max: number) =>
    fields[name] === undefined ? {} : { [name]: read.number(fields[name], `${path}.${name}`, { min: 0, max }) };
  return {
    id: read.id(fields['id'], `${path}.id`, true),
    path: readPath(context, fields['path'], `${path}.path`),
    finalNorm: read.boolean(fields['finalNorm'], `${path}.finalNorm`),
    macs: read.integer(fields['macs'], `${path}.macs`, 1, Number.MAX_SAFE_INTEGER),
    ...optional('top1', 1),
    ...optional('top5', 1),
    ...optional('loss', Number.MAX_VALUE),
  };
}

function readPath(context: Context, value: unknown, path: string): RoutePath {
  const { read } = context;
  const list = read.list(value, path, 1, MAX.path);
  if (list.length % 2 === 0) {
    read.fail(
      path,
      `has ${list.length} entries`,
      'A path starts and ends with a span and has one stitch between every two spans.',
    );
  }
  const steps = Array.from(list, (entry, index) => {
    const at = `${path}[${index}]`;
    const fields = read.object(entry, at);
    return index % 2 === 0 ? readSpan(context, fields, at) : readStep(context, fields, at);
  });
  for (let index = 1; index < steps.length; index += 2) {
    const step = steps[index] as StitchStep;
    const front = (steps[index - 1] as AnchorSpan).anchor;
    const back = (steps[index + 1] as AnchorSpan).anchor;
    const stitch = context.stitches.get(step.stitch);
    if (stitch?.from === front && stitch.to === back) continue;
    const problem = `is ${show(step.stitch)}, which goes from ${stitch?.from} to ${stitch?.to}, between spans of ${front} and ${back}`;
    read.fail(`${path}[${index}].stitch`, problem, 'Use a stitch that joins exactly its two neighbours.');
  }
  return steps;
}

function readSpan({ read, anchors }: Context, fields: Fields, path: string): AnchorSpan {
  const id = read.string(fields['anchor'], `${path}.anchor`, 200);
  const anchor = anchors.get(id) ?? read.fail(`${path}.anchor`, `is ${show(id)}`, 'Use the id of an entry of anchors.');
  const last = anchor.config.depth - 1;
  const from = read.integer(fields['from'], `${path}.from`, 0, last);
  const to = read.integer(fields['to'], `${path}.to`, 0, last);
  if (from > to) read.fail(`${path}.from`, `is ${from}, after to, ${to}`, 'Both are inclusive block indices with from ≤ to.');
  return { anchor: id, from, to };
}

function readStep({ read, stitches }: Context, fields: Fields, path: string): StitchStep {
  const id = read.string(fields['stitch'], `${path}.stitch`, 200);
  if (!stitches.has(id)) read.fail(`${path}.stitch`, `is ${show(id)}`, 'Use the id of an entry of stitches.');
  return { stitch: id };
}

function readShard(read: FieldReader, value: unknown, path: string): ShardSpec {
  const fields = read.object(value, path);
  const units = readAll(read, fields['units'], `${path}.units`, 1, MAX.unitsPerShard, (unit, at) => read.string(unit, at, 300));
  return { ...readFile(read, value, path), units };
}

function readCheck(read: FieldReader, value: unknown, routes: ReadonlyMap<string, RouteSpec>): CheckSpec {
  const fields = read.object(value, 'check');
  const ids = readAll(read, fields['routes'], 'check.routes', 1, MAX.checkRoutes, (entry, path) => {
    const id = read.string(entry, path, 200);
    return routes.has(id) ? id : read.fail(path, `is ${show(id)}`, 'Use the id of an entry of routes.');
  });
  const tolerance = read.number(fields['tolerance'], 'check.tolerance', { above: 0, max: 1000 });
  return { ...readFile(read, value, 'check'), routes: ids, tolerance };
}
