/** Key names, shapes and options: what is deduced, what is assumed and said, what is refused with the keys named. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseSafetensors, tensorToF32, writeSafetensors, type TensorInput } from '../../../../src/bundle/safetensors';
import { importAnchor, importFamily } from '../../../../src/tools/import/import';
import { openCheckpoint } from '../../../../src/tools/import/source';
import { twoWayRoutes } from '../../../../src/tools/import/two-way';
import { expectClose } from '../../../support/close';
import { expectError } from '../../bundle/expect-error';
import { fixture, fixtureBytes, scratch } from './paths';

type State = Map<string, TensorInput>;

const zeros = (...shape: number[]): TensorInput => ({
  dtype: 'F32',
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
});

/** A timm state dict of one block and zeros. */
function timmState(dim = 192, { classes = 3, patch = 4, size = 8, mlp = dim } = {}): State {
  const state: State = new Map([
    ['cls_token', zeros(1, 1, dim)],
    ['pos_embed', zeros(1, 1 + (size / patch) ** 2, dim)],
    ['patch_embed.proj.weight', zeros(dim, 3, patch, patch)],
    ['patch_embed.proj.bias', zeros(dim)],
    ['blocks.0.attn.qkv.weight', zeros(3 * dim, dim)],
    ['blocks.0.attn.qkv.bias', zeros(3 * dim)],
    ['blocks.0.attn.proj.weight', zeros(dim, dim)],
    ['blocks.0.attn.proj.bias', zeros(dim)],
    ['blocks.0.mlp.fc1.weight', zeros(mlp, dim)],
    ['blocks.0.mlp.fc1.bias', zeros(mlp)],
    ['blocks.0.mlp.fc2.weight', zeros(dim, mlp)],
    ['blocks.0.mlp.fc2.bias', zeros(dim)],
    ['head.weight', zeros(classes, dim)],
    ['head.bias', zeros(classes)],
  ]);
  for (const norm of ['blocks.0.norm1', 'blocks.0.norm2', 'norm']) {
    state.set(`${norm}.weight`, zeros(dim));
    state.set(`${norm}.bias`, zeros(dim));
  }
  return state;
}

function open(state: State, name = 'x.safetensors') {
  const path = join(scratch(), name);
  writeFileSync(path, writeSafetensors(state));
  return openCheckpoint(path);
}

const anchor = (state: State, options: { heads?: number } = {}) => importAnchor(open(state), { id: 'a', ...options });
const changed = (change: (state: State) => void, dim = 192): State => {
  const state = timmState(dim);
  change(state);
  return state;
};
const move = (state: State, from: string, to: string) => {
  state.set(to, state.get(from)!);
  state.delete(from);
};

describe('what is deduced', () => {
  test('every number of an anchor from its shapes', () => {
    const { spec, classes, size } = anchor(timmState(192, { classes: 7, patch: 2, size: 6, mlp: 20 }));
    expect([spec.config, classes, size]).toEqual([{ dim: 192, depth: 1, heads: 3, mlp: 20, patch: 2, eps: 1e-6 }, 7, 6]);
  });

  test.each([
    [192, 3],
    [384, 6],
    [768, 12],
  ])('DeiT of width %i has %i heads', (dim, heads) => {
    expect(anchor(timmState(dim)).spec.config.heads).toBe(heads);
  });

  test('heads of another width must be given, and must divide it into multiples of 4', async () => {
    await expectError(
      () => anchor(timmState(128)),
      'bundle-invalid',
      /x\.safetensors, patch_embed/,
      /heads.*width 128/,
      /--heads/,
    );
    await expectError(() => anchor(timmState(128), { heads: 3 }), 'bundle-invalid', /width 128 in 3 heads/);
    expect(anchor(timmState(128), { heads: 4 }).spec.config.heads).toBe(4);
  });

  test('a config.json beside it gives heads and labels; its layer_norm_eps 1e-12 is not believed, unless asked', () => {
    const notes: string[] = [];
    const source = openCheckpoint(fixture('hf-f16'));
    const draft = importFamily([source], { name: 'x', onNote: (note) => notes.push(note) });
    expect(draft.anchors[0]!.config).toMatchObject({ heads: 3, eps: 1e-6 });
    expect(draft.labels).toEqual(['kind 0', 'kind 1', 'kind 2', 'kind 3', 'kind 4']);
    expect(notes.join('\n')).toMatch(/layer_norm_eps 1e-12; 0\.000001 is used/);
    expect(notes.join('\n')).toMatch(/vit\.pooler\.dense\.weight does not change the answers/);
    expect(importFamily([source], { name: 'x', eps: 1e-12 }).anchors[0]!.config.eps).toBe(1e-12);
  });

  test('another activation than the exact GELU is refused', async () => {
    const folder = scratch();
    writeFileSync(join(folder, 'model.safetensors'), fixtureBytes('hf-f16/model.safetensors'));
    const config = JSON.parse(readFileSync(fixture('hf-f16/config.json'), 'utf8')) as object;
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, hidden_act: 'gelu_new' }));
    await expectError(() => importAnchor(openCheckpoint(folder), { id: 'a' }), 'bundle-invalid', /config\.json/, /gelu_new/);
  });

  test('preprocessing of a timm config.json, else that of DeiT', () => {
    const folder = scratch();
    writeFileSync(join(folder, 'model.safetensors'), writeSafetensors(timmState()));
    const plain = importFamily([openCheckpoint(folder)], { name: 'x' }).input;
    expect(plain).toEqual({ size: 8, crop: 0.875, filter: 'bicubic', mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] });
    const half = [0.5, 0.5, 0.5];
    const config = { pretrained_cfg: { crop_pct: 0.9, interpolation: 'bilinear', mean: half, std: half } };
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
    const told = importFamily([openCheckpoint(folder)], { name: 'x', input: { crop: 1 } }).input;
    expect(told).toEqual({ size: 8, crop: 1, filter: 'bilinear', mean: half, std: half });
  });

  test('LayerScale of timm is folded as that of DeiT III is', () => {
    const state = timmState();
    for (const key of ['blocks.0.attn.proj.weight', 'blocks.0.mlp.fc2.bias']) (state.get(key)!.data as Float32Array).fill(2);
    const gamma = Float32Array.from({ length: 192 }, (_, n) => n);
    for (const key of ['blocks.0.ls1.gamma', 'blocks.0.ls2.gamma']) state.set(key, { dtype: 'F32', shape: [192], data: gamma });
    const { tensors } = anchor(state);
    const weight = tensors.get('anchors.a.blocks.0.proj.weight')!.data;
    expect([weight[0], weight[192], weight[5 * 192 + 191]]).toEqual([0, 2, 10]);
    expect([...tensors.get('anchors.a.blocks.0.fc2.bias')!.data.subarray(0, 3)]).toEqual([0, 2, 4]);
  });

  test('query, key and value of Hugging Face are stacked in this order', () => {
    const { tensors } = importAnchor(openCheckpoint(fixture('hf-f16')), { id: 'a' });
    const file = parseSafetensors(fixtureBytes('hf-f16/model.safetensors'), 'x');
    const parts = ['query', 'key', 'value'].flatMap((part) => [
      ...tensorToF32(file.get(`vit.encoder.layer.1.attention.attention.${part}.bias`)!),
    ]);
    expectClose(tensors.get('anchors.a.blocks.1.qkv.bias')!.data, parts, 0, 'qkv');
  });
});

describe('keys that do not fit', () => {
  test.each([
    [
      'a missing key',
      changed((s) => s.delete('blocks.0.norm1.bias')),
      /timm ViT\/DeiT fits best; missing: blocks\.0\.norm1\.bias/,
    ],
    ['a left-over key', changed((s) => s.set('blocks.0.extra', zeros(1))), /unexpected: blocks\.0\.extra/],
    ['a distilled DeiT', changed((s) => s.set('dist_token', zeros(1, 1, 192))), /unexpected: dist_token.*distilled DeiT/],
    [
      'a pooled head',
      changed((s) => ['weight', 'bias'].forEach((k) => move(s, `norm.${k}`, `fc_norm.${k}`))),
      /averages the tokens/,
    ],
    ['register tokens', changed((s) => s.set('reg_token', zeros(1, 4, 192))), /register tokens/],
    ['Swin', new Map([['layers.0.blocks.0.norm1.weight', zeros(4)]]), /Swin network/],
    ['ResNet', new Map([['layer1.0.conv1.weight', zeros(4)]]), /ResNet/],
    [
      'no classifier',
      changed((s) => ['head.weight', 'head.bias'].forEach((k) => s.delete(k))),
      /missing: head\.weight, head\.bias/,
    ],
    [
      'a block between others',
      changed((s) => s.set('blocks.2.norm1.bias', zeros(4))),
      /missing: blocks\.1\.norm1\.weight, .* and \d+ more/,
    ],
  ])('%s', async (_what, state, part) => {
    await expectError(() => anchor(state), 'bundle-invalid', /x\.safetensors/, part);
  });

  test('a backbone of Hugging Face without its classifier', async () => {
    const state: State = new Map();
    for (const [name, view] of parseSafetensors(fixtureBytes('hf-f16/model.safetensors'), 'x')) {
      if (!name.startsWith('classifier')) state.set(name.replace('vit.', ''), view);
    }
    await expectError(
      () => anchor(state),
      'bundle-invalid',
      /Hugging Face ViT fits best; missing: classifier\.weight, classifier\.bias/,
    );
  });

  test.each([
    [
      'a weight',
      'blocks.0.attn.qkv.weight',
      zeros(192, 192),
      /blocks\.0\.attn\.qkv\.weight: its shape is \[192, 192\], expected \[576, 192\]/,
    ],
    ['a bias', 'norm.bias', zeros(191), /norm\.bias: its shape is \[191\], expected \[192\]/],
    ['patches that are not square', 'patch_embed.proj.weight', zeros(192, 3, 4, 2), /expected \[dim, 3, patch, patch\]/],
    ['grey images', 'patch_embed.proj.weight', zeros(192, 1, 4, 4), /expected \[dim, 3, patch, patch\]/],
    ['positions of no square', 'pos_embed', zeros(1, 7, 192), /pos_embed: it has 7 rows/],
  ])('a wrong shape: %s', async (_what, key, tensor, part) => {
    await expectError(() => anchor(changed((state) => state.set(key, tensor))), 'bundle-invalid', /x\.safetensors/, part);
  });

  test('NaN in a weight, by its key', async () => {
    const state = timmState();
    (state.get('blocks.0.mlp.fc1.weight')!.data as Float32Array)[7] = Number.NaN;
    await expectError(
      () => anchor(state),
      'bundle-invalid',
      /x\.safetensors, blocks\.0\.mlp\.fc1\.weight: value 7 of \d+ is NaN/,
    );
  });

  test('an SN-Net checkpoint is no anchor', async () => {
    const source = openCheckpoint(fixture('snnet.pth'));
    await expectError(() => importAnchor(source, { id: 'a' }), 'bundle-invalid', /official SN-Net \(DeiT\).*3 anchors/);
  });
});

describe('families', () => {
  const family = (states: readonly State[], options = {}) =>
    importFamily(
      states.map((state) => open(state)),
      { name: 'f', ...options },
    );

  test('single anchors: ids by width, smallest first, one route each', () => {
    const notes: string[] = [];
    const draft = family([timmState(384), timmState(192)], { onNote: (note: string) => notes.push(note) });
    expect(draft.anchors.map(({ id }) => id)).toEqual(['ti', 's']);
    expect(draft.routes.map(({ id, finalNorm }) => [id, finalNorm])).toEqual([
      ['ti', true],
      ['s', true],
    ]);
    expect([...draft.tensors.keys()].filter((name) => !/^anchors\.(ti|s)\./.test(name))).toEqual([]);
    expect(draft.tensors.get('anchors.ti.embed.cls')!.shape).toEqual([192]);
    expect(notes.join()).toContain('smallest first');
    expect([draft.labels, draft.sources]).toEqual([
      ['class 0', 'class 1', 'class 2'],
      ['x.safetensors', 'x.safetensors'],
    ]);
  });

  test.each([
    ['classes', { classes: 4 }, /classes 4, and "ti" has 3/],
    ['input size', { size: 12 }, /input size 12, and "ti" has 8/],
    ['patch', { patch: 2, size: 8 }, /patch 2, and "ti" has 4/],
  ])('anchors that disagree in %s', async (_what, shape, part) => {
    await expectError(() => family([timmState(192), timmState(384, shape)]), 'bundle-invalid', part, /agree in classes/);
  });

  test('two anchors of one width get two ids', () => {
    expect(family([timmState(192), timmState(192)]).anchors.map(({ id }) => id)).toEqual(['ti', 'ti_2']);
  });

  test.each([
    ['too few ids', { ids: ['a'] }, /1 ids for 2 anchors/],
    ['an id twice', { ids: ['a', 'a'] }, /"a" twice/],
    ['an id with a dot', { ids: ['a.b', 'c'] }, /"a\.b"/],
    ['other labels than classes', { labels: ['one'] }, /1 labels for 3 classes/],
  ])('%s', async (_what, options, part) => {
    await expectError(() => family([timmState(192), timmState(384)], options), 'argument-invalid', part);
  });
  test('nothing', async () => {
    await expectError(() => importFamily([], { name: 'f' }), 'argument-invalid', /at least one checkpoint/);
  });
});

describe('stitches', () => {
  const options = { name: 's', heads: [1, 2, 3] };
  /** The official fixture, changed, as safetensors. */
  const stitched = (change: (state: State) => void) => {
    const state: State = new Map();
    for (const [name, tensor] of openCheckpoint(fixture('snnet.pth')).tensors)
      state.set(name, { dtype: 'F32', shape: tensor.shape, data: tensor.read() });
    change(state);
    return () => importFamily([open(state)], options);
  };

  test('three anchors of depth 12: 500 tensors, 71 routes, 22 stitches', () => {
    const state: State = new Map();
    const dims = [4, 8, 12] as const;
    for (const [a, dim] of dims.entries()) {
      const one = timmState(dim);
      for (const [key, tensor] of one) {
        const blocks = key.startsWith('blocks.0.') ? Array.from({ length: 12 }, (_, n) => key.replace('.0.', `.${n}.`)) : [key];
        for (const block of blocks) state.set(`anchors.${a}.${block}`, tensor);
      }
      const next = dims[a + 1];
      for (let layer = 0; next !== undefined && layer < 11; layer++) {
        state.set(`stitch_layers.${a}.${layer}.transform.weight`, zeros(next, dim));
        state.set(`stitch_layers.${a}.${layer}.transform.bias`, zeros(next));
      }
    }
    expect(state.size).toBe(500);
    const { routes, stitches, tensors } = importFamily([open(state)], { ...options, ids: ['ti', 's', 'b'] });
    expect([routes.length, stitches.length, tensors.size]).toEqual([71, 22, 500]);
    expect(routes.filter(({ finalNorm }) => finalNorm).map(({ id }) => id)).toEqual(['ti', 's', 'b']);
    const ids = [3, 5, 36, 37, 70].map((n) => routes[n]!.id);
    expect(ids).toEqual(['ti.0+s.0', 'ti.1+s.0', 'ti.11+s.11', 's.0+b.0', 's.11+b.11']);
    expect(routes[70]!.path[1]).toEqual({ stitch: 's-b.10' });
  });

  test('layers that do not fit kernel and stride', async () => {
    const source = openCheckpoint(fixture('snnet.pth'));
    const window = { kernel: 1, stride: 1 };
    await expectError(
      () => importFamily([source], { ...options, window }),
      'bundle-invalid',
      /stitch_layers\.0: it has 2 layers, and 3 blocks with kernel 1 and stride 1 make 3/,
    );
  });

  test('groups that are not those of neighbours', async () => {
    const work = stitched((state) => {
      for (const kind of ['weight', 'bias']) state.set(`stitch_layers.2.0.transform.${kind}`, zeros(1));
    });
    await expectError(work, 'bundle-invalid', /3 groups of stitch layers for 3 anchors/, /nearest_stitching/);
  });

  test('a stitch of another shape', async () => {
    const work = stitched((state) => state.set('stitch_layers.1.0.transform.weight', zeros(8, 12)));
    await expectError(
      work,
      'bundle-invalid',
      /stitch_layers\.1\.0\.transform\.weight: its shape is \[8, 12\], expected \[12, 8\]/,
    );
  });

  test('a missing stitch', async () => {
    const work = stitched((state) => state.delete('stitch_layers.0.1.transform.bias'));
    await expectError(
      work,
      'bundle-invalid',
      /official SN-Net \(DeiT\) fits best; missing: stitch_layers\.0\.1\.transform\.bias/,
    );
  });

  test('half of a low-rank update', async () => {
    const work = stitched((state) => state.set('stitch_layers.0.0.transform.lora_A', zeros(2, 4)));
    await expectError(work, 'bundle-invalid', /missing: stitch_layers\.0\.0\.transform\.lora_B/);
  });

  test.each([
    [12, 12],
    [12, 24],
  ])('two ways between depths %i and %i: 134 of the 135 official ids', (small, large) => {
    const { routes, stitches, leftOut } = twoWayRoutes({ id: 's', depth: small }, { id: 'l', depth: large });
    const kinds = routes.map(({ path }) => path.flatMap((step) => ('anchor' in step ? [step.anchor] : [])).join(''));
    const count = (kind: string) => kinds.filter((one) => one === kind).length;
    expect(['s', 'l', 'sl', 'ls', 'lsl', 'sls'].map(count)).toEqual([1, 1, 11, 11, 55, 55]);
    expect(leftOut).toEqual([`s.11+l.${large}`]);
    expect(stitches.length).toBe(22);
    expect(new Set(routes.map(({ id }) => id)).size).toBe(134);
    for (const { path } of routes)
      for (const step of path) if ('anchor' in step) expect(step.from).toBeLessThanOrEqual(step.to);
    // Depth 12 into 24: small block i leads to 2i + 2; large block i = 2n + 1 to n + 1, by layer n.
    if (large === 24) {
      expect(routes[2]!.path).toEqual([{ anchor: 's', from: 0, to: 0 }, { stitch: 's-l.0' }, { anchor: 'l', from: 2, to: 23 }]);
      expect(routes[13]!.path).toEqual([
        { anchor: 'l', from: 0, to: 1 },
        { stitch: 'l-s.0' },
        { anchor: 's', from: 1, to: 11 },
      ]);
    }
  });
  test('two ways need the shallower anchor first', async () => {
    await expectError(
      () => twoWayRoutes({ id: 's', depth: 24 }, { id: 'l', depth: 12 }),
      'argument-invalid',
      /"s" has 24 blocks/,
    );
  });
});

describe('safetensors', () => {
  const header = (tensors: object, data = 16, pad = 0) => {
    const json = new TextEncoder().encode(JSON.stringify(tensors) + ' '.repeat(pad));
    const bytes = new Uint8Array(8 + json.length + data);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
    bytes.set(json, 8);
    return bytes;
  };
  const put = (bytes: Uint8Array) => {
    const path = join(scratch(), 'x.safetensors');
    writeFileSync(path, bytes);
    return path;
  };
  const f32 = (shape: unknown, offsets: unknown, dtype: unknown = 'F32') => ({ dtype, shape, data_offsets: offsets });

  test.each([
    ['too large a shape', { w: f32([5], [0, 16]) }, /w: F32 \[5\] takes 20 bytes, but its data_offsets give it 16/],
    ['offsets beyond the end', { w: f32([4], [8, 24]) }, /w: its data_offsets are \[8, 24\], but the data are 16 bytes/],
    ['offsets that run backwards', { w: f32([4], [16, 0]) }, /w: its data_offsets/],
    ['an overlap', { v: f32([4], [0, 16]), w: f32([1], [8, 12]) }, /w: it starts at byte 8 and overlaps byte 16/],
    ['a gap', { v: f32([1], [0, 4]), w: f32([1], [8, 12]) }, /w: it starts at byte 8 and leaves a gap after byte 4/],
    ['bytes left over', { v: f32([1], [0, 4]) }, /its tensors end at byte 4 of 16/],
    ['an unknown dtype', { w: f32([4], [0, 16], 'F8') }, /w: its dtype is "F8"/],
    ['a negative shape', { w: f32([-4], [0, 16]) }, /w: its shape is \[-4\]/],
    ['no object', { w: null }, /w: its dtype is missing/],
    ['a product beyond 2^53', { w: f32([2 ** 40, 2 ** 40], [0, 16]) }, /w: F32/],
  ])('%s', async (_what, tensors, part) => {
    await expectError(() => openCheckpoint(put(header(tensors))), 'bundle-invalid', /x\.safetensors/, part);
  });

  test('a header that is longer than the file, cut off, no JSON, or names a tensor twice', async () => {
    const good = header({ w: f32([4], [0, 16]) });
    const long = good.slice();
    new DataView(long.buffer).setBigUint64(0, 2n ** 63n, true);
    await expectError(() => openCheckpoint(put(long)), 'bundle-invalid', /header length is \d+, outside/);
    await expectError(() => openCheckpoint(put(good.slice(0, 20))), 'bundle-invalid', /header length/);
    await expectError(() => openCheckpoint(put(good.slice(0, -1))), 'bundle-invalid', /but the data are 15 bytes/);
    await expectError(() => openCheckpoint(put(good.fill(0x2c, 9, 12))), 'bundle-invalid', /not JSON/);
    const text =
      '{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\\u0077":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}';
    const twice = new Uint8Array(8 + text.length + 4);
    new DataView(twice.buffer).setBigUint64(0, BigInt(text.length), true);
    twice.set(new TextEncoder().encode(text), 8);
    await expectError(() => openCheckpoint(put(twice)), 'bundle-invalid', /x\.safetensors, w: the header names it twice/);
  });

  test('unaligned data of older writers', () => {
    for (const pad of [0, 1, 2, 3]) {
      const bytes = header({ w: f32([4], [0, 16]) }, 16, pad);
      bytes.set(new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer), bytes.length - 16);
      expect([...openCheckpoint(put(bytes)).tensors.get('w')!.read()]).toEqual([1, 2, 3, 4]);
    }
  });

  describe('sharded', () => {
    const shards = (weightMap: Record<string, unknown>) => {
      const folder = scratch();
      mkdirSync(folder, { recursive: true });
      for (const [n, key] of ['v', 'w'].entries()) {
        writeFileSync(join(folder, `model-${n}.safetensors`), writeSafetensors(new Map([[key, zeros(n + 1)]])));
      }
      writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: weightMap }));
      return folder;
    };
    test('by its index, or its folder', () => {
      const folder = shards({ v: 'model-0.safetensors', w: 'model-1.safetensors' });
      const { tensors } = openCheckpoint(folder);
      expect([...tensors].map(([name, { shape }]) => [name, shape])).toEqual([
        ['v', [1]],
        ['w', [2]],
      ]);
      expect(tensors.get('w')!.read().length).toBe(2);
    });
    test.each([
      ['a tensor in the wrong shard', { v: 'model-1.safetensors' }, 'bundle-invalid', /v: it is not in model-1/],
      ['a shard elsewhere', { v: '../model-0.safetensors' }, 'bundle-invalid', /v: its file is "\.\.\/model/],
      [
        'a shard that is not there',
        { v: 'model-2.safetensors' },
        'argument-invalid',
        /model-2\.safetensors: there is no such file/,
      ],
    ] as const)('%s', async (_what, map, code, part) => {
      await expectError(() => openCheckpoint(shards(map)), code, part);
    });
  });
});
