/** PyTorch's zip checkpoints: what torch writes is read; what an attacker writes is named and refused. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { openCheckpoint } from '../../../../src/tools/import/source';
import { errorOf, expectError } from '../../bundle/expect-error';
import { expected, expectedNames } from './forward';
import { floatBytes, makeTorch, makeZip, p, type ZipInput } from './make-zip';
import { fixture, fixtureBytes, scratch } from './paths';

vi.setConfig({ testTimeout: 60_000 });

const write = (bytes: Uint8Array, name = 'x.pth'): string => {
  const path = join(scratch(), name);
  writeFileSync(path, bytes);
  return path;
};
/** A state dict with one tensor `w` of [2, 2] under `model`. */
const W = p.tensor(p.storage('0', 4), [2, 2], [2, 1]);
const STORAGE = { '0': floatBytes(1, 2, 3, 4) };
const state = (...pairs: readonly (readonly [string, string])[]) => p.dict(['model', p.dict(['w', W], ...pairs)]);
const open = (content: string, storages: Readonly<Record<string, Uint8Array>> = STORAGE) =>
  openCheckpoint(write(makeTorch(content, storages)));

describe('what torch.save writes', () => {
  test.each(['odd-p2.pth', 'odd-p3.pth', 'odd-p4.pth', 'odd-p5.pth', 'odd-deflated.pth'])('%s: every kind of view', (file) => {
    const { tensors, entry, inert } = openCheckpoint(fixture(file));
    expect(entry).toBe('state_dict');
    expect(inert).toEqual([]);
    const names = expectedNames('odd.');
    expect(names.length).toBe(12);
    for (const name of names) expect([name, ...tensors.get(name)!.read()]).toEqual([name, ...expected(`odd.${name}`)]);
    expect(tensors.get('turned')!.shape).toEqual([6, 4]);
    expect(tensors.get('single')!.shape).toEqual([]);
    expect(tensors.get('brain')!.dtype).toBe('BF16');
  });

  test('integers are listed, and refused as weights', async () => {
    const { tensors } = openCheckpoint(fixture('odd-p2.pth'));
    expect([tensors.get('counts')!.dtype, tensors.get('flags')!.dtype]).toEqual(['I64', 'BOOL']);
    await expectError(() => tensors.get('counts')!.read(), 'bundle-invalid', /odd-p2\.pth, counts/, /I64; weights are floats/);
  });

  test('a namespace beside the weights stays a name and is listed', () => {
    const { inert, entry, tensors } = openCheckpoint(fixture('timm-f32.pth'));
    expect(entry).toBe('model');
    expect(inert).toContain('argparse.Namespace');
    expect(tensors.size).toBe(32);
  });

  test('a zip64 file', () => {
    const inputs = [
      { name: 'a/data.pkl', bytes: p.file(state()) },
      { name: 'a/data/0', bytes: STORAGE['0'], deflate: true },
    ];
    const { tensors } = openCheckpoint(write(makeZip(inputs, true)));
    expect([...tensors.get('w')!.read()]).toEqual([1, 2, 3, 4]);
  });

  test('names behind module. and _orig_mod.', () => {
    const { tensors } = open(p.dict(['module._orig_mod.w', W]));
    expect([...tensors.keys()]).toEqual(['w']);
  });

  test('the entry can be named', async () => {
    const content = p.dict(['model', p.dict(['w', W])], ['mine', p.dict(['v', W])]);
    const path = write(makeTorch(content, STORAGE));
    expect([...openCheckpoint(path, { entry: 'mine' }).tensors.keys()]).toEqual(['v']);
    await expectError(
      () => openCheckpoint(path, { entry: 'other' }),
      'bundle-invalid',
      /x\.pth, other: the entry is not there/,
    );
  });
});

test('weights beside a pickled model are taken, and the model is listed', () => {
  const { entry, inert } = open(p.dict(['model', p.call(p.global('my.net', 'Model'))], ['state_dict', p.dict(['w', W])]));
  expect([entry, inert]).toEqual(['state_dict', ['my.net.Model']]);
});

describe('files of other kinds', () => {
  test('the legacy format, with the remedy', async () => {
    const parts = [/legacy\.pth: .*legacy format/, /_use_new_zipfile_serialization=True/, /safetensors/];
    await expectError(() => openCheckpoint(fixture('legacy.pth')), 'bundle-invalid', ...parts);
  });
  test('the tar format before it', async () => {
    const tar = new Uint8Array(1024);
    tar.set(new TextEncoder().encode('ustar'), 257);
    await expectError(
      () => openCheckpoint(write(tar)),
      'bundle-invalid',
      /legacy format/,
      /_use_new_zipfile_serialization=True/,
    );
  });
  test.each([
    ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\n', /Git LFS pointer/],
    ['a web page', '<!DOCTYPE html><html></html>', /web page/],
    ['text', 'hello', /neither safetensors nor/],
    ['nothing', '', /neither safetensors nor/],
  ])('%s', async (_what, text, part) => {
    await expectError(() => openCheckpoint(write(new TextEncoder().encode(text))), 'bundle-invalid', part);
  });
  test('a path that is not there', async () => {
    await expectError(
      () => openCheckpoint('/no/such/file.pth'),
      'argument-invalid',
      /\/no\/such\/file\.pth: there is no such file/,
    );
  });
  test('TorchScript', async () => {
    const bytes = makeTorch(state(), STORAGE, [{ name: 'archive/code/x.py', bytes: new Uint8Array(1) }]);
    await expectError(() => openCheckpoint(write(bytes)), 'bundle-invalid', /TorchScript/, /torch\.jit\.load/);
  });
  test('big-endian storages', async () => {
    const bytes = makeTorch(state(), STORAGE, [{ name: 'archive/byteorder', bytes: new TextEncoder().encode('big') }]);
    await expectError(() => openCheckpoint(write(bytes)), 'bundle-invalid', /archive\/byteorder: the byte order is "big"/);
  });
});

describe('a damaged zip', () => {
  const whole = fixtureBytes('timm-f32.pth');

  test.each([0.1, 0.5, 0.9, 0.99, 0.9999])('cut off at %d of its length', async (share) => {
    const path = write(whole.slice(0, Math.floor(whole.length * share)));
    await expectError(
      () => openCheckpoint(path),
      'bundle-invalid',
      /x\.pth/,
      /directory at its end is missing/,
      /fetch it again/,
    );
  });

  test('a flipped bit in a tensor, by its checksum', async () => {
    const bytes = makeTorch(state(), STORAGE);
    const at = Buffer.from(bytes).indexOf(Buffer.from(STORAGE['0']));
    bytes[at + 5]! ^= 1;
    const { tensors } = openCheckpoint(write(bytes));
    await expectError(() => tensors.get('w')!.read(), 'bundle-invalid', /x\.pth, archive\/data\/0: its checksum is wrong/);
  });

  const lie = (claims: NonNullable<ZipInput['claims']>, deflate = false) =>
    write(
      makeZip([
        { name: 'a/data.pkl', bytes: p.file(state()), claims, deflate },
        { name: 'a/data/0', bytes: STORAGE['0'] },
      ]),
    );
  test.each([
    ['a size that is too large', { bytes: 2 ** 20, packedBytes: 2 ** 20 }, false, /data\.pkl: it is said to lie at/],
    ['sizes that differ', { bytes: 5 }, false, /stored, but its sizes are/],
    ['a bomb', { bytes: 2 ** 31 }, true, /packed bytes cannot hold the 2147483648/],
    ['more than it claims', { bytes: 10 }, true, /does not inflate to the 10 bytes/],
    ['less than it claims', { bytes: 2000 }, true, /and the directory says 2000/],
    ['encryption', { flags: 1 }, false, /encrypted/],
    ['another method', { method: 93 }, false, /compression method 93/],
    ['an offset into nowhere', { header: 3 }, false, /a\/data\.pkl: (there is no entry|it is said to lie)/],
  ])('%s', async (_what, claims, deflate, part) => {
    await expectError(() => openCheckpoint(lie(claims, deflate)), 'bundle-invalid', /x\.pth, a\/data/, part);
  });
  test('an entry twice', async () => {
    const twice = { name: 'a/data.pkl', bytes: p.file(state()) };
    await expectError(() => openCheckpoint(write(makeZip([twice, twice]))), 'bundle-invalid', /names it twice/);
  });
  test('two entries in the same bytes', async () => {
    const first = { name: 'a/data.pkl', bytes: p.file(state()) };
    const second = { name: 'a/data/0', bytes: STORAGE['0'], claims: { header: 0 } };
    await expectError(() => openCheckpoint(write(makeZip([first, second]))), 'bundle-invalid', /what follows starts at 0/);
  });
});

describe('a hostile pickle', () => {
  const marker = () => join(scratch(), 'ran');
  const system = (path: string) => p.call(p.global('os', 'system'), p.text(`touch ${path}`));

  test('beside the weights it is a name, and nothing runs', () => {
    const path = marker();
    const { inert } = open(p.dict(['model', p.dict(['w', W])], ['args', system(path)]));
    expect(inert).toEqual(['os.system']);
    expect(() => readFileSync(path)).toThrow(/ENOENT/);
  });

  test.each([
    ['as a value', () => state(['evil', system('x')]), /os\.system/],
    ['as a bare class', () => state(['evil', p.global('builtins', 'eval')]), /builtins\.eval/],
    ['deep in a list', () => state(['evil', `](]${p.text('a')}a${system('x')}e`]), /os\.system/],
    [
      'in the state of the dict',
      () => p.dict(['model', `${p.dict(['w', W])}${p.dict(['_metadata', system('x')])}b`]),
      /os\.system/,
    ],
    ['as a hook of a tensor', () => state(['v', p.tensor(p.storage('0', 4), [2], [1], 0, system('x'))]), /os\.system/],
    [
      'as a hook of a parameter',
      () => state(['v', p.call(p.global('torch._utils', '_rebuild_parameter'), W, '\x88', system('x'))]),
      /os\.system/,
    ],
    [
      'as the result of a result',
      () => state(['evil', p.call(p.call(p.global('builtins', 'getattr'), 'N'), 'N')]),
      /builtins\.getattr\(\)/,
    ],
    [
      'as the weights themselves',
      () => p.dict(['model', p.call(p.global('my.net', 'Model'))]),
      /model: the entry is a my\.net\.Model/,
    ],
    ['as the whole file', () => p.call(p.global('my.net', 'Model')), /its content is a my\.net\.Model/],
  ])('%s it is refused by name', async (_what, content, part) => {
    await expectError(() => open(content()), 'bundle-invalid', /x\.pth/, part);
  });

  test.each([
    ['a list in a list in a list', ']'.repeat(2 ** 21), /nests or stacks more than/],
    ['marks', '('.repeat(5000), /nests deeper than 4096/],
    ['objects', ']0'.repeat(2 ** 22 + 1), /makes more than 4194304 objects/],
    ['an integer of 4 GiB', '\x8b\xff\xff\xff\xff', /integer of 4294967295 bytes/],
    ['text of 4 GiB', 'X\xff\xff\xff\xff', /breaks off/],
    ['text of 2^64 bytes', '\x8d\xff\xff\xff\xff\xff\xff\xff\xff', /breaks off/],
    ['nothing', '', /data\.pkl: it takes a value that is not there/],
    ['a value below a mark', 'N(\x85', /not there/],
    ['an unknown memo', 'h\x07', /recalls value 7/],
    ['extension codes', '\x82\x01', /opcode 0x82/],
    ['a text opcode of protocol 0', "S'a'\n", /opcode 0x53/],
    ['a key without value', '}(Nu', /key without a value/],
    ['items of no dict', ']NNs', /no dict/],
    ['a call of a number', 'K\x01)R', /no class and no function/],
    ['no tuple to call with', `${p.global('os', 'system')}NR`, /no tuple/],
    ['a state for a tuple', ')Nb', /state of something that has none/],
  ])('with %s it ends in an error', async (_what, content, part) => {
    await expectError(() => open(content), 'bundle-invalid', /x\.pth, archive\/data\.pkl/, part);
  });

  test('a memo bomb stays small: what is shared is looked at once', () => {
    // l0 = []; l(n+1) = [l(n), l(n)] forty times: 2^40 leaves as a tree.
    let content = ']q\x00';
    for (let n = 0; n < 40; n++)
      content += `](h${String.fromCharCode(n)}h${String.fromCharCode(n)}eq${String.fromCharCode(n + 1)}`;
    expect(open(state(['bomb', content])).tensors.size).toBe(1);
  });

  /** Something large in the memo, and a hundred calls that each copy it. */
  const LARGE = 50_000;
  const copies = (large: string, call: string, name: string, times = 100) =>
    state(['bomb', `${large}q\x000c${name}\nq\x010${`h\x01${call}0`.repeat(times)}N`]);
  const tensors = `ctorch._utils\n_rebuild_tensor_v2\n(${'N'.repeat(LARGE)}tR`;
  test.each([
    ['sets of one list', copies(`](${'N'.repeat(LARGE)}e`, 'h\x00\x85R', 'builtins\nset')],
    ['dicts of one list of pairs', copies(`](${'NN\x86'.repeat(LARGE)}e`, 'h\x00\x85R', 'collections\nOrderedDict')],
    ['parameters of one tensor', copies(tensors, 'h\x00\x85R', 'torch._utils\n_rebuild_parameter')],
    ['bytes of one text', copies(`X\x00\x00\x0f\x00${'x'.repeat(15 * 2 ** 16)}`, 'h\x00\x85R', '_codecs\nencode', 300)],
  ])('%s count each time', async (_what, content) => {
    await expectError(() => open(content), 'bundle-invalid', /makes more than 4194304 objects/);
  });

  test('a list that holds itself, and 100 000 levels, are no trouble', () => {
    expect(open(state(['self', ']q\x00h\x00a'])).tensors.size).toBe(1);
    expect(open(state(['deep', `${']'.repeat(100_000)}${'a'.repeat(99_999)}`])).tensors.size).toBe(1);
  });
});

describe('tensors that do not fit their storage', () => {
  const tensor = (...args: Parameters<typeof p.tensor>) => p.dict(['model', p.dict(['w', p.tensor(...args)])]);
  const storage = p.storage('0', 4);
  test.each([
    [
      'a shape beyond it',
      tensor(storage, [3, 2], [2, 1]),
      /x\.pth, w: shape \[3, 2\] at offset 0 reaches value 5 of a storage of 4/,
    ],
    ['an offset beyond it', tensor(storage, [2], [1], 3), /reaches value 4/],
    ['a huge stride', tensor(storage, [2], [2 ** 30]), /reaches value 1073741824/],
    ['a negative shape', tensor(storage, [-1], [1]), /has the shape \[-1\]/],
    ['a negative stride', tensor(storage, [2], [-1], 3), /strides \[-1\]/],
    ['2^60 values by stride 0', tensor(storage, [2 ** 30, 2 ** 30], [0, 0]), /\[1073741824, 1073741824\]/],
    ['shape and strides of other lengths', tensor(storage, [2, 2], [1]), /strides \[1\]/],
    ['too many axes', tensor(storage, Array(9).fill(1) as number[], Array(9).fill(1) as number[]), /not described as a tensor/],
    [
      'a storage that is longer',
      tensor(p.storage('0', 5), [2], [1]),
      /archive\/data\/0: it has 16 bytes, and 5 values of F32 take 20/,
    ],
    ['a storage of another type', tensor(p.storage('0', 4, 'DoubleStorage'), [2], [1]), /4 values of F64 take 32/],
    ['a storage that is not there', tensor(p.storage('1', 4), [2], [1]), /archive\/data\/1: the pickle refers to it/],
    ['a storage outside the folder', tensor(p.storage('../data.pkl', 4), [2], [1]), /it is not there/],
    ['a storage of unknown type', tensor(p.storage('0', 4, 'QInt8Storage'), [2], [1]), /unknown type torch\.QInt8Storage/],
    ['no storage', tensor('N', [2], [1]), /not described as a tensor/],
  ])('%s', async (_what, content, part) => {
    await expectError(() => open(content), 'bundle-invalid', part);
  });

  test.each([
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
  ])('%s among the values, by name', async (name, value) => {
    const { tensors } = open(state(), { '0': floatBytes(1, 2, value, 4) });
    await expectError(() => tensors.get('w')!.read(), 'bundle-invalid', /x\.pth, w: value 2 of 4 is/, new RegExp(name));
  });

  test('no tensors at all', async () => {
    const error = await errorOf(() => open(p.dict(['epoch', 'K\x03'])));
    expect(error.message).toMatch(/no dict of tensors under model, state_dict.*its keys are epoch/);
  });
});
