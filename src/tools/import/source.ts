/** A checkpoint, whatever its file format: named tensors that are read when they are asked for. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { StitchError } from '../../core/errors';
import { invalid, openFile, type RandomFile } from './file';
import type { ItemType } from './floats';
import { looksLikeSafetensors, openSafetensors } from './safetensors-file';
import { openTorch } from './torch';
import { looksLikeZip } from './zip';

export interface NamedTensor {
  readonly name: string;
  readonly dtype: ItemType;
  readonly shape: readonly number[];
  /**
   * The values in f32, row-major; f64 is rounded, f16 and bf16 are exact. A fresh array.
   * Errors: bundle-invalid for integers, damaged data, and values that are not finite.
   */
  read(): Float32Array<ArrayBuffer>;
}

export interface Checkpoint {
  /** As given, for messages. */
  readonly path: string;
  readonly format: 'safetensors' | 'torch';
  readonly tensors: ReadonlyMap<string, NamedTensor>;
  /** PyTorch: the key under which the tensors stood. */
  readonly entry: string | undefined;
  /** PyTorch: classes and functions beside the tensors, which stayed names and were not run. */
  readonly inert: readonly string[];
  /** The `config.json` beside the file, where there is one: Hugging Face's and timm's downloads have it. */
  readonly config: Readonly<Record<string, unknown>> | undefined;
  /** The `preprocessor_config.json` beside the file, where there is one: Hugging Face's way to say how photos are prepared. */
  readonly preprocessor: Readonly<Record<string, unknown>> | undefined;
}

export interface OpenOptions {
  /** PyTorch: which entry holds the tensors, where `model`, `state_dict` and the like do not. */
  readonly entry?: string | undefined;
}

/** What a folder is searched for, best first. */
const IN_FOLDER = ['model.safetensors', 'model.safetensors.index.json', 'pytorch_model.bin', 'pytorch_model.bin.index.json'];
const START = 512;
const MAX_JSON = 2 ** 26;
const MAX_SHARDS = 1024;
/** Wrappers that training scripts leave in front of every name. */
const WRAPPERS = ['module.', '_orig_mod.'];

/**
 * Opens a safetensors or PyTorch file, the index of a sharded checkpoint, or a folder with one of them. Only headers are read.
 * Errors: bundle-invalid naming file and entry; argument-invalid where there is no such file.
 */
export function openCheckpoint(path: string, options: OpenOptions = {}): Checkpoint {
  const chosen = fileIn(path);
  const file = openFile(chosen);
  const read = chosen.endsWith('.index.json') ? openIndex(file) : openSingle(file, options.entry);
  const tensors = new Map<string, NamedTensor>();
  for (const [name, tensor] of unwrapped(read.tensors)) tensors.set(name, checked(chosen, { ...tensor, name }));
  if (tensors.size === 0) invalid(chosen, undefined, 'it holds no tensors', 'Give a checkpoint with weights.');
  const { format, entry, inert } = read;
  return {
    path: chosen,
    format,
    tensors,
    entry,
    inert,
    config: configBeside(chosen),
    preprocessor: preprocessorBeside(chosen),
  };
}

/** The checkpoint in a folder, or the file itself. Errors: argument-invalid where a folder has none. */
export function fileIn(path: string): string {
  if (!existsSync(path) || !statSync(path).isDirectory()) return path;
  const found = IN_FOLDER.find((name) => existsSync(join(path, name)));
  if (found !== undefined) return join(path, found);
  throw new StitchError('argument-invalid', `${path} has none of ${IN_FOLDER.join(', ')}. Give the checkpoint file itself.`, {
    path,
  });
}

type Read = Pick<Checkpoint, 'format' | 'tensors' | 'entry' | 'inert'>;

function openSingle(file: RandomFile, entry: string | undefined): Read {
  const start = file.read(0, Math.min(START, file.bytes));
  if (looksLikeZip(start)) return { format: 'torch', ...openTorch(file, entry) };
  if (looksLikeSafetensors(start) || file.path.endsWith('.safetensors')) {
    const tensors = new Map(openSafetensors(file).map((tensor) => [tensor.name, tensor]));
    return { format: 'safetensors', tensors, entry: undefined, inert: [] };
  }
  return refuse(file, start);
}

/** Files that are often given by mistake, each with its way out. */
function refuse(file: RandomFile, start: Uint8Array): never {
  const text = new TextDecoder('latin1').decode(start);
  // torch.save before 1.6 starts with a pickle of its magic number 0x1950a86a20f9469cfc6c; older still, with a tar file.
  const legacy = text.slice(257, 262) === 'ustar' || /^\x80[\x02-\x05]/.test(text); // eslint-disable-line no-control-regex
  if (legacy) {
    const remedy =
      'Load it in Python and save it again with torch.save(state, path, _use_new_zipfile_serialization=True), or convert it to safetensors.';
    return invalid(file.path, undefined, 'this is a PyTorch file in the legacy format, not a zip, and is not read', remedy);
  }
  if (text.startsWith('version https://git-lfs')) {
    return invalid(
      file.path,
      undefined,
      'this is a Git LFS pointer, not the weights',
      'Fetch the file itself, e.g. with git lfs pull.',
    );
  }
  if (/^\s*<(!doctype|html)/i.test(text)) {
    return invalid(file.path, undefined, 'this is a web page, not a checkpoint', 'Check the address it came from.');
  }
  return invalid(
    file.path,
    undefined,
    'this is neither safetensors nor a PyTorch checkpoint',
    'Give a .safetensors, .pth, .pt or .bin file.',
  );
}

/** A sharded checkpoint: `weight_map` says which file beside the index holds which tensor. */
function openIndex(file: RandomFile): Read {
  const map = (parseJson(file) as { weight_map?: unknown } | null)?.weight_map;
  if (typeof map !== 'object' || map === null)
    return invalid(file.path, 'weight_map', 'it is missing', 'Fetch the index again.');
  const names = Object.entries(map as Record<string, unknown>);
  const shards = new Map<string, Read>();
  const tensors = new Map<string, NamedTensor>();
  for (const [name, shard] of names) {
    if (!isShardName(shard))
      return invalid(file.path, name, `its file is ${JSON.stringify(shard)}`, 'Shards lie beside their index.');
    if (shards.size > MAX_SHARDS)
      return invalid(file.path, 'weight_map', `it names more than ${MAX_SHARDS} files`, 'Fetch the index again.');
    const read = shards.get(shard) ?? openSingle(openFile(join(dirname(file.path), shard)), undefined);
    shards.set(shard, read);
    const tensor =
      read.tensors.get(name) ??
      invalid(file.path, name, `it is not in ${shard}`, 'Fetch index and shards again, of one revision.');
    tensors.set(name, tensor);
  }
  const [first] = shards.values();
  return {
    format: first?.format ?? 'safetensors',
    tensors,
    entry: undefined,
    inert: [...shards.values()].flatMap(({ inert }) => inert),
  };
}

/** Whether an index may name this file: one beside it. */
export const isShardName = (name: unknown): name is string =>
  typeof name === 'string' && /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name);

function parseJson(file: RandomFile): unknown {
  if (file.bytes > MAX_JSON)
    return invalid(file.path, undefined, `it has ${file.bytes} bytes`, `At most ${MAX_JSON} are read.`);
  try {
    return JSON.parse(new TextDecoder().decode(file.read(0, file.bytes)));
  } catch (error) {
    return invalid(file.path, undefined, `it is not JSON (${String(error).slice(0, 80)})`, 'Fetch it again.', error);
  }
}

/** Without a prefix that all names share because the model was wrapped. */
function unwrapped(tensors: ReadonlyMap<string, NamedTensor>): ReadonlyMap<string, NamedTensor> {
  for (const wrapper of WRAPPERS) {
    const names = [...tensors.keys()];
    if (names.length === 0 || !names.every((name) => name.startsWith(wrapper))) continue;
    return unwrapped(new Map([...tensors].map(([name, tensor]) => [name.slice(wrapper.length), tensor])));
  }
  return tensors;
}

function checked(path: string, tensor: NamedTensor): NamedTensor {
  const read = () => {
    const values = tensor.read();
    const at = values.findIndex((value) => !Number.isFinite(value));
    if (at < 0) return values;
    return invalid(
      path,
      tensor.name,
      `value ${at} of ${values.length} is ${values[at]}`,
      'The training diverged or the file is damaged: take another checkpoint.',
    );
  };
  return { ...tensor, read };
}

/** Of a model's own file only: beside one of another name lies somebody else's. */
function besideModel(path: string, name: string): string | undefined {
  const beside = join(dirname(path), name);
  return IN_FOLDER.includes(basename(path)) && existsSync(beside) ? beside : undefined;
}

/** Errors: bundle-invalid; with other preprocessing a network answers worse, and nobody would see why. */
function preprocessorBeside(path: string): Readonly<Record<string, unknown>> | undefined {
  const found = besideModel(path, 'preprocessor_config.json');
  if (found === undefined) return undefined;
  const value = parseJson(openFile(found));
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  return invalid(found, undefined, 'it holds no JSON object', 'Fetch it again, or remove it.');
}

function configBeside(path: string): Readonly<Record<string, unknown>> | undefined {
  const config = besideModel(path, 'config.json');
  if (config === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(readFileSync(config, 'utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
