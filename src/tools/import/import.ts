/**
 * From checkpoints to a family: anchors of timm, Hugging Face or an official SN-Net checkpoint in the bundle's names, with
 * the routes they bring along. Nothing is written here. Numbers and traps: docs/bundle-format.md and the SN-Net papers.
 */
import type { InputSpec } from '../../bundle/manifest';
import { StitchError } from '../../core/errors';
import type { WindowOptions } from '../../model/stitching';
import type { FamilyDraft, FloatTensor } from '../model/family';
import { type AnchorDraft, type AnchorOptions, DEFAULT_EPS, readAnchor } from './anchor';
import { hintsOf } from './config-hints';
import { detectStyle, type Detected } from './detect';
import { invalid } from './file';
import { preprocessingFor } from './preprocessing';
import { type ReadSink, tellReads } from './reading';
import { readStitches } from './snnet';
import type { Checkpoint } from './source';

export type { AnchorDraft, AnchorOptions } from './anchor';

/** Says what an import assumed or left out, a sentence each. */
export type NoteSink = (note: string) => void;

export interface FamilyOptions {
  readonly name: string;
  /** Default 1.0.0. */
  readonly version?: string;
  readonly license?: string;
  /** Where the weights come from, for the user to read. */
  readonly sources?: readonly string[];
  /** One per anchor, in the order of the sources or of the SN-Net's anchors. Default: ti, s, m, b, l, h or w<dim>. */
  readonly ids?: readonly string[];
  readonly names?: readonly string[];
  /** One per anchor. Needed for widths other than 192, 384, 512, 768, 1024 and 1280. */
  readonly heads?: readonly number[];
  /** Of every LayerNorm. Default 1e-6. */
  readonly eps?: number;
  /** Default: what preprocessor_config.json or a timm config.json says, else ImageNet's mean and std, bicubic, crop 0.875. */
  readonly input?: Partial<Omit<InputSpec, 'size'>>;
  /** One per class. Default: those of a config.json, else `class 0`, `class 1`, … */
  readonly labels?: readonly string[];
  /** Stitching windows of an SN-Net checkpoint. Default: kernel 2, stride 1. */
  readonly window?: WindowOptions;
  /** Overrides whether stitched routes run the final norm. Default: no for official SN-Net, yes for SN-Netv2. */
  readonly stitchedFinalNorm?: boolean;
  readonly onNote?: NoteSink;
  readonly onRead?: ReadSink;
}

const WINDOW: WindowOptions = { kernel: 2, stride: 1 };
const SHORT: Readonly<Record<number, string>> = { 192: 'ti', 384: 's', 512: 'm', 768: 'b', 1024: 'l', 1280: 'h' };
const ANCHOR_ID = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;

/**
 * One network as an anchor. Errors: bundle-invalid for keys, shapes and values that are wrong, naming file and key;
 * argument-invalid for options.
 */
export function importAnchor(source: Checkpoint, options: AnchorOptions & { readonly onNote?: NoteSink }): AnchorDraft {
  const found = detectStyle(source);
  const { onNote = () => {} } = options;
  if ('snnet' in found) {
    const remedy = 'Import it as a whole family.';
    return invalid(
      source.path,
      undefined,
      `this is an ${found.title} checkpoint with ${found.snnet.anchors.length} anchors`,
      remedy,
    );
  }
  if (!ANCHOR_ID.test(options.id)) {
    throw new StitchError('argument-invalid', `Anchor id "${options.id}" may hold letters, digits, - and _ only.`, {
      id: options.id,
    });
  }
  const notes = [
    ...notesOf(source),
    ...found.vit.idle.map((key) => `${source.path}: ${key} does not change the answers and was left out.`),
  ];
  for (const note of notes) onNote(note);
  const hints = hintsOf(source.config);
  if (hints.otherActivation !== undefined) {
    const remedy = 'Only networks with the exact GELU ("gelu") are imported.';
    return invalid(source.path, 'config.json', `its activation is ${hints.otherActivation}`, remedy);
  }
  const eps = options.eps ?? DEFAULT_EPS;
  if (options.eps === undefined && hints.eps !== undefined && hints.eps !== eps) {
    onNote(
      `${source.path}: config.json says layer_norm_eps ${hints.eps}; ${eps} is used, with which ViT and DeiT were trained.`,
    );
  }
  return readAnchor(source, found.vit, { ...options, eps, heads: options.heads ?? hints.heads });
}

/**
 * A family of one SN-Net checkpoint with its routes, or of one or more single networks whose only routes are the anchors.
 * Errors: as {@link importAnchor}, and bundle-invalid where anchors differ in classes, patch or input size.
 */
export function importFamily(checkpoints: readonly Checkpoint[], options: FamilyOptions): FamilyDraft {
  const sources = options.onRead === undefined ? checkpoints : tellReads(checkpoints, options.onRead);
  const [first] = sources;
  if (first === undefined)
    throw new StitchError('argument-invalid', 'There is nothing to import. Give at least one checkpoint.');
  const found = detectStyle(first);
  const draft = sources.length === 1 && 'snnet' in found ? snnetFamily(first, found, options) : anchorFamily(sources, options);
  const labels =
    options.labels ?? sources.map(({ config }) => hintsOf(config).labels).find((list) => list?.length === draft.classes);
  if (labels !== undefined && labels.length !== draft.classes) {
    const problem = `There are ${labels.length} labels for ${draft.classes} classes`;
    throw new StitchError('argument-invalid', `${problem}. Give one label per class, in class order.`);
  }
  return { ...draft, labels: [...(labels ?? Array.from({ length: draft.classes }, (_, n) => `class ${n}`))] };
}

type Part = Pick<FamilyDraft, 'stitches' | 'routes'> & { readonly tensors: ReadonlyMap<string, FloatTensor> };

function snnetFamily(
  source: Checkpoint,
  found: Detected & { style: 'snnet' | 'snnetv2' },
  options: FamilyOptions,
): FamilyDraft {
  const { snnet } = found;
  const { onNote = () => {} } = options;
  for (const note of notesOf(source)) onNote(note);
  const dims = snnet.anchors.map(({ parts }) => source.tensors.get(parts.get('embed.proj.weight')![0]!)?.shape[0] ?? 0);
  const ids = anchorIds(dims, options.ids);
  const anchors = snnet.anchors.map((plan, n) => readAnchor(source, plan, anchorOptions(ids[n]!, n, options)));
  checkAgreement(anchors, [source.path]);
  const { leftOut, ...part } = readStitches(source, snnet, anchors, {
    window: options.window ?? WINDOW,
    finalNorm: options.stitchedFinalNorm,
  });
  for (const id of leftOut)
    onNote(`${source.path}: route ${id} was left out: it runs no block of its last anchor and is never trained.`);
  return familyOf(anchors, part, options, [source]);
}

function anchorFamily(sources: readonly Checkpoint[], options: FamilyOptions): FamilyDraft {
  const { onNote = () => {} } = options;
  const draft = sources.map((source, n) => importAnchor(source, { ...anchorOptions(`anchor-${n}`, n, options), onNote }));
  const ids = anchorIds(
    draft.map(({ spec }) => spec.config.dim),
    options.ids,
  );
  const anchors = draft.map((anchor, n) => renamed(anchor, ids[n]!));
  checkAgreement(
    anchors,
    sources.map(({ path }) => path),
  );
  const cost = ({ spec: { config } }: AnchorDraft) => config.depth * (4 * config.dim ** 2 + 2 * config.dim * config.mlp);
  const sorted = [...anchors].sort((a, b) => cost(a) - cost(b));
  if (sorted.some((anchor, n) => anchor !== anchors[n])) onNote('The anchors were put in order, the smallest first.');
  const routes = sorted.map(({ spec }) => ({
    id: spec.id,
    path: [{ anchor: spec.id, from: 0, to: spec.config.depth - 1 }],
    finalNorm: true,
  }));
  return familyOf(sorted, { stitches: [], routes, tensors: new Map() }, options, sources);
}

const anchorOptions = (id: string, n: number, { names, heads, eps }: FamilyOptions): AnchorOptions => ({
  id,
  name: names?.[n],
  heads: heads?.[n],
  eps,
});

function renamed({ tensors, spec, ...rest }: AnchorDraft, id: string): AnchorDraft {
  const name = (tensor: string) => `anchors.${id}.${tensor.slice(`anchors.${spec.id}.`.length)}`;
  return { ...rest, spec: { ...spec, id }, tensors: new Map([...tensors].map(([key, tensor]) => [name(key), tensor])) };
}

/** The given ids, or one by width, with a number where two widths are equal. Errors: argument-invalid. */
function anchorIds(dims: readonly number[], given: readonly string[] | undefined): readonly string[] {
  const ids: string[] = [];
  for (const dim of given === undefined ? dims : []) {
    const base = SHORT[dim] ?? `w${dim}`;
    const same = ids.filter((id) => id === base || id.startsWith(`${base}_`)).length;
    ids.push(same === 0 ? base : `${base}_${same + 1}`);
  }
  const result = given ?? ids;
  const bad = result.find((id, n) => !ANCHOR_ID.test(id) || result.indexOf(id) !== n);
  if (bad === undefined && result.length === dims.length) return result;
  const problem =
    bad === undefined
      ? `${result.length} ids for ${dims.length} anchors`
      : `the id "${bad}" twice, or with other than letters, digits, - and _`;
  throw new StitchError('argument-invalid', `There are ${problem}. Give one id per anchor.`);
}

/** One family has one input, one set of patches and one set of classes. */
function checkAgreement(anchors: readonly AnchorDraft[], paths: readonly string[]): void {
  const facts = ({ classes, size, spec }: AnchorDraft) => ({ classes, 'input size': size, patch: spec.config.patch });
  const [first] = anchors;
  for (const [n, anchor] of anchors.entries()) {
    for (const [what, value] of Object.entries(facts(anchor))) {
      const expected = facts(first!)[what as keyof ReturnType<typeof facts>];
      if (value === expected) continue;
      const problem = `anchor "${anchor.spec.id}" has ${what} ${value}, and "${first!.spec.id}" has ${expected}`;
      invalid(paths[n] ?? paths[0]!, undefined, problem, 'Anchors of one family agree in classes, input size and patch.');
    }
  }
}

function familyOf(
  anchors: readonly AnchorDraft[],
  part: Part,
  options: FamilyOptions,
  sources: readonly Checkpoint[],
): FamilyDraft {
  const { size, classes } = anchors[0]!;
  const { onNote = () => {} } = options;
  return {
    name: options.name,
    version: options.version ?? '1.0.0',
    license: options.license ?? 'Not stated; see the source of the weights.',
    sources: [...(options.sources ?? sources.map(({ path }) => path.split(/[/\\]/).at(-1)!))],
    input: { size, ...preprocessingFor(sources, options.input ?? {}, onNote) },
    classes,
    labels: [],
    anchors: anchors.map(({ spec }) => spec),
    stitches: part.stitches,
    routes: part.routes,
    tensors: new Map([...anchors.flatMap(({ tensors }) => [...tensors]), ...part.tensors]),
  };
}

const notesOf = ({ path, inert }: Checkpoint): string[] =>
  inert.length === 0 ? [] : [`${path}: beside the weights it names ${inert.join(', ')}; nothing of it was run or read.`];
