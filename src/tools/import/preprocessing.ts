/**
 * How photos are prepared for a checkpoint: what stands beside it in `preprocessor_config.json` (Hugging Face) or in the
 * `config.json` of timm, and else what most networks for ImageNet take. All of it untrusted.
 */
import { dirname, join } from 'node:path';
import type { InputSpec } from '../../bundle/manifest';
import { hintsOf } from './config-hints';
import { invalid } from './file';
import type { Checkpoint } from './source';

export type Preprocessing = Omit<InputSpec, 'size'>;

const IMAGENET: Preprocessing = {
  crop: 0.875,
  filter: 'bicubic',
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};
const FIELDS = ['mean', 'std', 'crop', 'filter'] as const;

/** PIL's numbers of filters, and the nearest that this engine has. */
const FILTERS: Readonly<Record<number, { readonly name: string; readonly used: InputSpec['filter'] }>> = {
  0: { name: 'nearest', used: 'bilinear' },
  1: { name: 'lanczos', used: 'bicubic' },
  2: { name: 'bilinear', used: 'bilinear' },
  3: { name: 'bicubic', used: 'bicubic' },
  4: { name: 'box', used: 'bilinear' },
  5: { name: 'hamming', used: 'bilinear' },
};

type Fields = Readonly<Record<string, unknown>>;
type Sides = readonly [height: number, width: number];

/** A value of a field and the file that says it. */
interface Told {
  readonly input: Partial<Preprocessing>;
  readonly from: string;
  /** Where this engine does otherwise. */
  readonly notes: readonly string[];
}

/**
 * The preprocessing of a family: what is given, else what the first source that speaks of it says, else ImageNet's. `onNote` is
 * told which it was. Errors: bundle-invalid for a preprocessor_config.json with other values than such a file has.
 */
export function preprocessingFor(
  sources: readonly Checkpoint[],
  given: Partial<InputSpec>,
  onNote: (note: string) => void,
): Preprocessing {
  const told = sources.flatMap((source) => toldBeside(source));
  for (const note of told.flatMap(({ notes }) => notes)) onNote(note);
  const origins = new Map<string, string[]>();
  const choose = <Field extends (typeof FIELDS)[number]>(field: Field): Preprocessing[Field] => {
    const speakers = told.filter(({ input }) => input[field] !== undefined);
    const [first] = speakers;
    const from = given[field] !== undefined ? 'as given' : first === undefined ? 'assumed' : `from ${first.from}`;
    const value = (given[field] ?? first?.input[field] ?? IMAGENET[field]) as Preprocessing[Field];
    origins.set(from, [...(origins.get(from) ?? []), shown(field, value)]);
    const other = given[field] === undefined && speakers.find(({ input }) => String(input[field]) !== String(value));
    if (other) onNote(`${other.from} says ${shown(field, other.input[field])}; all anchors get ${shown(field, value)}.`);
    return value;
  };
  const input = { mean: choose('mean'), std: choose('std'), crop: choose('crop'), filter: choose('filter') };
  const parts = [...origins].map(([from, values]) => `${values.join(', ')} ${from}`);
  const doubt = origins.has('assumed')
    ? ' What is assumed is usual for ImageNet; pass --mean, --std, --crop or --filter where the networks were trained otherwise.'
    : '';
  onNote(`Preprocessing: ${parts.join('; ')}.${doubt}`);
  return input;
}

const shown = (field: (typeof FIELDS)[number], value: unknown): string =>
  field === 'filter' ? String(value) : `${field} ${String(value)}`;

/** What the files beside a checkpoint say, the better one first. */
function toldBeside({ path, config, preprocessor }: Checkpoint): Told[] {
  const beside = (name: string) => join(dirname(path), name);
  const { input } = hintsOf(config);
  return [
    ...(preprocessor === undefined ? [] : [readPreprocessor(preprocessor, beside('preprocessor_config.json'))]),
    ...(input === undefined ? [] : [{ input, from: beside('config.json'), notes: [] }]),
  ];
}

function readPreprocessor(fields: Fields, from: string): Told {
  const notes: string[] = [];
  const flag = (name: string, otherwise: boolean): boolean => {
    const value = fields[name] ?? otherwise;
    return typeof value === 'boolean' ? value : wrong(from, name, value, 'true or false');
  };
  const input = { ...normalisation(fields, from, flag), ...(flag('do_resize', true) && resizing(fields, from, flag, notes)) };
  return { input, from, notes };
}

type Flag = (name: string, otherwise: boolean) => boolean;

function normalisation(fields: Fields, from: string, flag: Flag): Partial<Preprocessing> {
  const triple = (name: string, least: number): Preprocessing['mean'] | undefined => {
    const value = fields[name] ?? undefined;
    if (value === undefined) return undefined;
    const [r, g, b, ...rest] = (Array.isArray(value) ? value : []) as unknown[];
    const isShare = (one: unknown): one is number => typeof one === 'number' && Number.isFinite(one) && one > least;
    if (isShare(r) && isShare(g) && isShare(b) && rest.length === 0) return [r, g, b];
    return wrong(from, name, value, `three numbers${least === 0 ? ' above 0' : ''}`);
  };
  const told = { mean: triple('image_mean', -Infinity), std: triple('image_std', 0) };
  const { mean, std } = flag('do_normalize', true) ? told : ({ mean: [0, 0, 0], std: [1, 1, 1] } as const);
  const factor = flag('do_rescale', true) ? (fields['rescale_factor'] ?? 1 / 255) : 1;
  if (typeof factor !== 'number' || !(factor > 0 && factor <= 1)) {
    return wrong(from, 'rescale_factor', factor, 'a number above 0 and at most 1');
  }
  // This engine takes shares of 255; another factor goes into mean and std.
  const by = factor * 255;
  if (Math.abs(by - 1) < 1e-4) return { ...(mean && { mean }), ...(std && { std }) };
  if (!mean || !std) return wrong(from, 'rescale_factor', factor, '1/255 where it has no image_mean and image_std');
  const scaled = ([r, g, b]: Preprocessing['mean']) => [r / by, g / by, b / by] as const;
  return { mean: scaled(mean), std: scaled(std) };
}

function resizing(fields: Fields, from: string, flag: Flag, notes: string[]): Partial<Preprocessing> {
  const resample = fields['resample'] ?? undefined;
  const filter = typeof resample === 'number' ? FILTERS[resample] : undefined;
  if (resample !== undefined && filter === undefined) wrong(from, 'resample', resample, 'one of PIL’s filters, 0 to 5');
  if (filter && filter.name !== filter.used) {
    notes.push(`${from} says the filter ${filter.name}, which this engine does not have; ${filter.used} is the nearest.`);
  }
  const [size, cut] = [sidesOf(fields, 'size', from), sidesOf(fields, 'crop_size', from)];
  // Classes of Hugging Face that cut nothing out write no crop_size.
  const cuts = flag('do_center_crop', cut !== undefined);
  const crop = size === undefined ? undefined : cuts ? cut && cut[0] / Math.min(...size) : 1;
  if (crop !== undefined && crop > 1)
    wrong(from, 'crop_size', fields['crop_size'], `at most the ${Math.min(...size!)} of size`);
  if (size !== undefined && !hasEdge(fields['size'])) {
    notes.push(`${from} squeezes the whole photo into a square; here the middle square of it is taken.`);
  }
  return { ...(filter && { filter: filter.used }), ...(crop !== undefined && { crop }) };
}

const hasEdge = (value: unknown): boolean => typeof value === 'object' && value !== null && 'shortest_edge' in value;

/** `224`, `{"height": 224, "width": 224}` or `{"shortest_edge": 256}`. */
function sidesOf(fields: Fields, name: string, from: string): Sides | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined) return undefined;
  const { height, width, shortest_edge: edge } = (typeof value === 'object' ? value : {}) as Fields;
  const sides = typeof value === 'number' ? [value, value] : edge === undefined ? [height, width] : [edge, edge];
  const [first, second] = sides;
  const isSide = (side: unknown): side is number => Number.isInteger(side) && (side as number) > 0;
  if (!isSide(first) || !isSide(second) || first !== second) return wrong(from, name, value, 'the side of a square in pixels');
  return [first, second];
}

function wrong(from: string, name: string, value: unknown, expected: string): never {
  const found = JSON.stringify(value)?.slice(0, 80) ?? 'missing';
  const remedy = `It must be ${expected}. Correct the file, or remove it and pass --mean, --std, --crop and --filter.`;
  return invalid(from, name, `it is ${found}`, remedy);
}
