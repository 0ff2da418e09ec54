/**
 * PyTorch checkpoints as torch.save writes them since 1.6: a zip with `data.pkl` and one entry per storage. The pickle is read
 * by `pickle.ts`, so nothing in it runs. Source: torch/serialization.py and torch/_utils.py, the layout only.
 */
import { invalid, type RandomFile } from './file';
import { ELEMENT_BYTES } from '../../bundle/safetensors';
import { floats, isFloat, type ItemType } from './floats';
import { type PickleHost, unpickle, type Unpickled } from './pickle';
import { childrenOf, InertRecord, PickleDict, PickleGlobal, PickleTuple, visit } from './pickle-values';
import type { NamedTensor } from './source';
import { openZip, type ZipArchive, type ZipEntry } from './zip';

/** The tensors of a checkpoint and what else was in it. */
export interface TorchCheckpoint {
  /** Key of the dict that held the tensors; undefined where the file itself is that dict. */
  readonly entry: string | undefined;
  readonly tensors: ReadonlyMap<string, NamedTensor>;
  /** Classes and functions beside the tensors that stayed names, e.g. `argparse.Namespace`. */
  readonly inert: readonly string[];
}

/** Where training scripts put the tensors, best first. */
const ENTRIES = ['model', 'state_dict', 'model_state_dict', 'module', 'net', 'model_ema'];

const STORAGES: Readonly<Record<string, ItemType>> = {
  'torch.FloatStorage': 'F32',
  'torch.HalfStorage': 'F16',
  'torch.BFloat16Storage': 'BF16',
  'torch.DoubleStorage': 'F64',
  'torch.LongStorage': 'I64',
  'torch.IntStorage': 'I32',
  'torch.ShortStorage': 'I16',
  'torch.CharStorage': 'I8',
  'torch.ByteStorage': 'U8',
  'torch.BoolStorage': 'BOOL',
};
const ORDERED_DICT = 'collections.OrderedDict';
const TENSOR = 'torch._utils._rebuild_tensor_v2';
const PARAMETER = 'torch._utils._rebuild_parameter';
const SIZE = 'torch.Size';
const SETS = ['builtins.set', '__builtin__.set', 'builtins.frozenset', '__builtin__.frozenset'];
/** How protocol 2 writes bytes. */
const ENCODE = '_codecs.encode';
const KNOWN = new Set([...Object.keys(STORAGES), ORDERED_DICT, TENSOR, PARAMETER, SIZE, ENCODE, ...SETS]);

const MAX_RANK = 8;
const MAX_ITEMS = 2 ** 31;
const MAX_PICKLE = 2 ** 26;
const SAVE_AGAIN = 'Save it again with torch.save(model.state_dict(), path), or as safetensors.';

interface Storage {
  readonly type: ItemType;
  readonly key: string;
  readonly items: number;
}

/** A tensor as the pickle describes it: storage, offset, size, strides, …; nothing has been compared with the storage yet. */
class TensorRecord extends PickleTuple {}

class StorageRecord {
  readonly storage: Storage;
  constructor(storage: Storage) {
    this.storage = storage;
  }
}

/**
 * Reads the directory and the pickle; tensors are read on demand. `entry` forces the dict that holds the tensors.
 * Errors: bundle-invalid naming file and entry.
 */
export function openTorch(file: RandomFile, entry?: string): TorchCheckpoint {
  const zip = openZip(file);
  const names = [...zip.entries.keys()];
  const pickles = names.filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  const root = pickles[0]?.slice(0, -'data.pkl'.length);
  if (root === undefined || pickles.length > 1) {
    return invalid(
      file.path,
      undefined,
      `this zip has ${pickles.length} entries <name>/data.pkl`,
      `A checkpoint has one. ${SAVE_AGAIN}`,
    );
  }
  if (names.some((name) => name.startsWith(`${root}code/`))) {
    return invalid(
      file.path,
      undefined,
      'this is a TorchScript archive, a program with weights',
      `Load it with torch.jit.load. ${SAVE_AGAIN}`,
    );
  }
  checkByteOrder(file, zip, `${root}byteorder`);
  const pickle = zip.entries.get(`${root}data.pkl`)!;
  if (pickle.bytes > MAX_PICKLE) return invalid(file.path, pickle.name, `the pickle has ${pickle.bytes} bytes`, SAVE_AGAIN);
  const read = unpickle(zip.read(pickle), hostFor(file.path, pickle.name), file.path, pickle.name);
  return pickTensors(file.path, zip, root, read, entry);
}

function checkByteOrder(file: RandomFile, zip: ZipArchive, name: string): void {
  const entry = zip.entries.get(name);
  if (entry === undefined || entry.bytes > 16) return;
  const order = new TextDecoder().decode(zip.read(entry));
  if (order !== 'little')
    invalid(file.path, name, `the byte order is "${order}"`, 'Save it on a little-endian machine, or as safetensors.');
}

function hostFor(file: string, entry: string): PickleHost {
  const fail = (problem: string): never => invalid(file, entry, problem, SAVE_AGAIN);
  return {
    knows: (name) => KNOWN.has(name),
    build(name, args) {
      if (name === TENSOR) return new TensorRecord(args);
      if (name === PARAMETER) {
        // The rest stays with it, so that what hides among the hooks is found.
        const [tensor, ...rest] = args;
        if (!(tensor instanceof TensorRecord)) return fail('a parameter is made of something that is no tensor');
        return new TensorRecord([...tensor.items, ...rest]);
      }
      if (name === SIZE) return args[0] instanceof PickleTuple ? args[0] : new PickleTuple([]);
      if (name === ENCODE)
        return typeof args[0] === 'string'
          ? Buffer.from(args[0], 'latin1')
          : fail('bytes are made of something that is no text');
      if (SETS.includes(name)) return new PickleTuple(childrenOf(args[0] ?? []));
      return name === ORDERED_DICT ? orderedDict(args, fail) : undefined;
    },
    persistent(id) {
      const [kind, type, key, , items] = id instanceof PickleTuple ? id.items : [];
      const name = type instanceof PickleGlobal ? type.name : '';
      if (kind !== 'storage' || typeof key !== 'string' || !isCount(items))
        return fail('it refers to something that is no storage');
      const itemType = Object.hasOwn(STORAGES, name)
        ? STORAGES[name]!
        : fail(`storage ${key} is of unknown type ${name || 'none'}`);
      return new StorageRecord({ type: itemType, key, items });
    },
  };
}

/** `OrderedDict()` or `OrderedDict([[key, value], …])`. */
function orderedDict(args: readonly unknown[], fail: (problem: string) => never): PickleDict {
  const dict = new PickleDict();
  const pairs = args[0] ?? [];
  if (args.length > 1 || !Array.isArray(pairs)) return fail('an OrderedDict is made of something that is no list of pairs');
  for (const pair of pairs) {
    const [key, value] =
      childrenOf(pair).length === 2 ? childrenOf(pair) : fail('an OrderedDict is made of something that is no list of pairs');
    dict.entries.set(key, value);
  }
  return dict;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function pickTensors(
  file: string,
  zip: ZipArchive,
  root: string,
  { value, unknown }: Unpickled,
  wanted?: string,
): TorchCheckpoint {
  const { entry, dict } = findEntry(file, value, wanted);
  const at = entry ?? 'its tensors';
  visit(dict, (found) => {
    const name = found instanceof InertRecord || found instanceof PickleGlobal ? found.name : undefined;
    if (name === undefined || KNOWN.has(name)) return;
    invalid(file, at, `it holds ${name}, which is neither tensor nor plain container and was not run`, SAVE_AGAIN);
  });
  const storages = cachedStorages(file, zip, root);
  const tensors = new Map<string, NamedTensor>();
  for (const [name, record] of dict.entries) {
    if (!(record instanceof TensorRecord)) continue;
    if (typeof name !== 'string') return invalid(file, at, 'a tensor has a name that is no text', SAVE_AGAIN);
    tensors.set(
      name,
      tensorOf(name, record, storages, (problem) =>
        invalid(file, name, problem, 'The file is damaged or was not written by torch.save.'),
      ),
    );
  }
  return { entry, tensors, inert: unknown };
}

function findEntry(file: string, value: unknown, wanted: string | undefined): { entry: string | undefined; dict: PickleDict } {
  if (!(value instanceof PickleDict)) {
    const what = value instanceof InertRecord ? `a ${value.name}` : 'no dict';
    return invalid(file, undefined, `its content is ${what}`, SAVE_AGAIN);
  }
  const hasTensors = (dict: unknown): boolean =>
    dict instanceof PickleDict && [...dict.entries.values()].some((item) => item instanceof TensorRecord);
  const under = (name: string) => value.entries.get(name);
  const key =
    wanted ??
    ENTRIES.find((name) => hasTensors(under(name))) ??
    ENTRIES.find((name) => under(name) instanceof InertRecord && !hasTensors(value));
  if (key === undefined) {
    if (hasTensors(value)) return { entry: undefined, dict: value };
    const keys = [...value.entries.keys()].map(String).join(', ').slice(0, 200);
    return invalid(
      file,
      undefined,
      `it has no dict of tensors under ${ENTRIES.join(', ')}; its keys are ${keys || 'none'}`,
      'Name the entry.',
    );
  }
  const found = under(key);
  if (found instanceof PickleDict && hasTensors(found)) return { entry: key, dict: found };
  const what =
    found === undefined
      ? 'is not there'
      : found instanceof InertRecord
        ? `is a ${found.name}, which was not run`
        : 'holds no tensors';
  return invalid(file, key, `the entry ${what}`, SAVE_AGAIN);
}

type ReadStorage = (storage: Storage) => Uint8Array<ArrayBuffer>;

/** Tensors of one storage come one after the other, so the last storage is kept. */
function cachedStorages(
  file: string,
  zip: ZipArchive,
  root: string,
): { check: (storage: Storage) => ZipEntry; read: ReadStorage } {
  let last: { key: string; bytes: Uint8Array<ArrayBuffer> } | undefined;
  const check = ({ key, type, items }: Storage) => {
    const name = `${root}data/${key}`;
    const entry = zip.entries.get(name);
    if (entry === undefined)
      return invalid(file, name, 'the pickle refers to it, and it is not there', 'The file is damaged: fetch it again.');
    const expected = items * ELEMENT_BYTES[type];
    if (entry.bytes === expected) return entry;
    return invalid(
      file,
      name,
      `it has ${entry.bytes} bytes, and ${items} values of ${type} take ${expected}`,
      'The file is damaged: fetch it again.',
    );
  };
  const read = (storage: Storage) => {
    if (last?.key !== storage.key) last = { key: storage.key, bytes: zip.read(check(storage)) };
    return last.bytes;
  };
  return { check, read };
}

function tensorOf(
  name: string,
  { items: args }: TensorRecord,
  storages: ReturnType<typeof cachedStorages>,
  fail: (problem: string) => never,
): NamedTensor {
  const [record, offset, size, strides] = args;
  const shape = size instanceof PickleTuple ? size.items : [];
  const stride = strides instanceof PickleTuple ? strides.items : [];
  if (!(record instanceof StorageRecord) || !isCount(offset) || !(size instanceof PickleTuple) || shape.length > MAX_RANK) {
    return fail('it is not described as a tensor of a storage');
  }
  if (!shape.every(isCount) || !stride.every(isCount) || shape.length !== stride.length) {
    return fail(`it has the shape [${shape.map(String).join(', ')}] with the strides [${stride.map(String).join(', ')}]`);
  }
  const { storage } = record;
  const items = shape.reduce((product, length) => product * length, 1);
  const reach = shape.reduce((sum, length, axis) => sum + (length - 1) * stride[axis]!, offset);
  if (items > MAX_ITEMS || (items > 0 && reach >= storage.items)) {
    return fail(`shape [${shape.join(', ')}] at offset ${offset} reaches value ${reach} of a storage of ${storage.items}`);
  }
  storages.check(storage);
  const read = () => {
    if (!isFloat(storage.type)) return fail(`it is of type ${storage.type}; weights are floats`);
    return gather(floats(storage.type, storages.read(storage)), offset, shape, stride);
  };
  return { name, dtype: storage.type, shape, read };
}

/** A strided view in row-major order: values at offset + Σ index · stride -> [items]. */
function gather(
  values: Float32Array,
  offset: number,
  shape: readonly number[],
  stride: readonly number[],
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(shape.reduce((product, length) => product * length, 1));
  const index = shape.map(() => 0);
  let from = offset;
  for (let to = 0; to < out.length; to++) {
    out[to] = values[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += stride[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= stride[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
