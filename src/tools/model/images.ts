/** Sets of images on disk: a folder, a folder per class, or a packed `.jpk` file. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, extname, join, relative, sep } from 'node:path';
import type { InputSpec } from '../../bundle/manifest';
import { StitchError } from '../../core/errors';
import { createResampler } from '../../input/resample';
import { decodeJpeg } from './jpeg';
import { readJpk } from './jpk';

export interface ImageEntry {
  readonly name: string;
  /** Class index; absent in a set without classes. */
  readonly label?: number;
  /** The JPEG file. */
  bytes(): Promise<Uint8Array>;
}

export interface ImageSet {
  readonly name: string;
  readonly entries: readonly ImageEntry[];
}

const EXTENSIONS = new Set(['.jpg', '.jpeg']);

const fail = (message: string): never => {
  throw new StitchError('argument-invalid', message);
};

/**
 * Opens a set. `labels`, where given, asks for classes: of a `.jpk` its own numbers; of a folder its sub-folders, named by label
 * or by class number from 0, or else, where they are no numbers, one a class in alphabetical order.
 * Errors: argument-invalid (no such path, no JPEG in it, classes that do not match), bundle-invalid (a damaged `.jpk`).
 */
export async function openImages(path: string, labels?: readonly string[]): Promise<ImageSet> {
  const found = await stat(path).catch(() => fail(`There is no ${path}. Name a folder of JPEG files or a .jpk file.`));
  const entries = found.isDirectory() ? await folderEntries(path, labels) : packedEntries(path, await readFile(path));
  if (entries.length === 0) fail(`There is no JPEG file in ${path}. Name a folder of JPEG files or a .jpk file.`);
  if (labels !== undefined) {
    const bad = entries.find(({ label }) => label === undefined || label >= labels.length);
    if (bad !== undefined) {
      fail(`${bad.name} has class ${bad.label ?? 'none'}, the bundle has 0…${labels.length - 1}. Use the set it was made for.`);
    }
  }
  return { name: basename(path), entries };
}

function packedEntries(path: string, file: Buffer): ImageEntry[] {
  const images = readJpk(new Uint8Array(file.buffer, file.byteOffset, file.byteLength), path);
  return images.map(({ label, jpeg }, index) => ({
    name: `${basename(path)}[${index}]`,
    label,
    bytes: () => Promise.resolve(jpeg()),
  }));
}

async function folderEntries(path: string, labels: readonly string[] | undefined): Promise<ImageEntry[]> {
  const all = await readdir(path, { recursive: true, withFileTypes: true });
  const files = all
    .filter((entry) => entry.isFile() && EXTENSIONS.has(extname(entry.name).toLowerCase()))
    .map((entry) => relative(path, join(entry.parentPath, entry.name)))
    .sort();
  const classes = labels === undefined ? undefined : classesOf(path, files, labels);
  return files.map((file) => {
    const label = classes?.get(file.split(sep)[0] ?? '');
    return { name: file, ...(label === undefined ? {} : { label }), bytes: () => readImage(join(path, file)) };
  });
}

function readImage(path: string): Promise<Uint8Array> {
  return readFile(path).catch((cause: unknown) => {
    const remedy = 'Put it back, or run the command again without it.';
    throw new StitchError('frame-invalid', `${path} cannot be read. ${remedy}`, { path }, cause);
  });
}

/** Class index by sub-folder. */
function classesOf(path: string, files: readonly string[], labels: readonly string[]): ReadonlyMap<string, number> {
  const loose = files.find((file) => !file.includes(sep));
  if (loose !== undefined) fail(`${join(path, loose)} lies in no class folder. Put every image in a folder of its class.`);
  const folders = [...new Set(files.map((file) => file.split(sep)[0] ?? ''))].sort();
  const byLabel = new Map(labels.map((label, index) => [label.toLowerCase(), index]));
  // Numbers mean classes: in alphabetical order 10 comes before 2.
  const numbered = folders.every((folder) => /^\d+$/.test(folder));
  const ways: readonly ((folder: string, index: number) => number | undefined)[] = [
    (folder) => byLabel.get(folder.toLowerCase()),
    (folder) => (numbered && Number(folder) < labels.length ? Number(folder) : undefined),
    (_, index) => (!numbered && folders.length === labels.length ? index : undefined),
  ];
  for (const way of ways) {
    const indices = folders.map(way);
    if (indices.every((index) => index !== undefined)) return new Map(folders.map((folder, i) => [folder, indices[i]!]));
  }
  if (numbered) {
    const beyond = folders.find((folder) => Number(folder) >= labels.length) ?? '';
    return fail(
      `${path} has class folders named by number, among them "${beyond}", and the bundle has the classes 0…${labels.length - 1}. ` +
        'Class numbers start at 0: rename the folders, or name them by label.',
    );
  }
  const odd = folders.find((folder) => !byLabel.has(folder.toLowerCase())) ?? '';
  return fail(
    `${path} has ${folders.length} class folders, among them "${odd}", the bundle ${labels.length} labels. ` +
      'Name folders by label or by class number, or have exactly one a class in alphabetical order.',
  );
}

/** `count` entries by a seeded draw, in their own order; all where there are not more. */
export function pick<T>(entries: readonly T[], count: number, seed: number): readonly T[] {
  if (count >= entries.length) return entries;
  let state = (seed + 0x9e3779b9) >>> 0;
  const next = (below: number) => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
  const order = entries.map((_, index) => index);
  for (let i = 0; i < count; i += 1) {
    const other = i + next(order.length - i);
    [order[i], order[other]] = [order[other]!, order[i]!];
  }
  return order
    .slice(0, count)
    .sort((a, b) => a - b)
    .map((index) => entries[index]!);
}

/** Images as the network takes them, f32 [count, 3, size, size]. Errors: frame-invalid, naming the image. */
export async function readPixels(entries: readonly ImageEntry[], input: InputSpec): Promise<Float32Array<ArrayBuffer>> {
  const resample = createResampler(input);
  const length = 3 * input.size ** 2;
  const pixels = new Float32Array(entries.length * length);
  for (const [index, entry] of entries.entries()) {
    pixels.set(resample(await decodeJpeg(await entry.bytes(), entry.name)), index * length); // [H, W, 4] -> [3, S, S]
  }
  return pixels;
}
