/** Imported checkpoints of every layout against PyTorch's logits, through the reference network. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { tensorToF32, writeSafetensors, type TensorView } from '../../../../src/bundle/safetensors';
import { importFamily } from '../../../../src/tools/import/import';
import { openCheckpoint } from '../../../../src/tools/import/source';
import { expectClose } from '../../../support/close';
import { readFixture } from '../../reference/node-fixture';
import { expected, logitsOf } from './forward';
import { fixture, scratch } from './paths';

vi.setConfig({ testTimeout: 60_000 });

/** Measured: at most 3e-6. */
const TOLERANCE = 1e-4;

describe('DeiT', () => {
  test.each([
    ['timm-f32.pth', 'f32', [3]],
    ['timm-f16.bin', 'f16', [3]],
    ['timm-bf16.safetensors', 'bf16', [3]],
    ['hf-f16', 'f16', undefined],
  ])('%s', async (file, dtype, heads) => {
    const draft = importFamily([openCheckpoint(fixture(file))], { name: 'd', ids: ['d'], ...(heads && { heads }) });
    expect(draft.anchors[0]!.config).toEqual({ dim: 12, depth: 2, heads: 3, mlp: 48, patch: 8, eps: 1e-6 });
    expect(draft.routes).toEqual([{ id: 'd', path: [{ anchor: 'd', from: 0, to: 1 }], finalNorm: true }]);
    expect([draft.classes, draft.input.size, draft.stitches]).toEqual([5, 16, []]);
    expectClose(await logitsOf(draft, 'd', expected('deit.pixels')), expected(`deit.${dtype}.logits`), TOLERANCE, file);
  });

  test('another number of heads gives other logits, so the number matters', async () => {
    const draft = importFamily([openCheckpoint(fixture('timm-f32.pth'))], { name: 'd', ids: ['d'], heads: [1] });
    const logits = await logitsOf(draft, 'd', expected('deit.pixels'));
    expect(() => expectClose(logits, expected('deit.f32.logits'), TOLERANCE, 'heads')).toThrow(/largest error/);
  });
});

describe('official SN-Net', () => {
  const ids = JSON.parse(readFileSync(fixture('snnet.routes.json'), 'utf8')) as string[];
  const draft = importFamily([openCheckpoint(fixture('snnet.pth'))], { name: 's', ids: ['0', '1', '2'], heads: [1, 2, 3] });

  test('has the official routes in order', () => {
    expect(draft.routes.map(({ id }) => id)).toEqual(ids);
    expect(draft.routes.map(({ finalNorm }) => finalNorm)).toEqual(ids.map((id) => !id.includes('+')));
    expect(draft.stitches.map(({ id }) => id)).toEqual(['0-1.0', '0-1.1', '1-2.0', '1-2.1']);
  });

  test.each(ids.map((id, n) => [id, n] as const))('%s', async (id, n) => {
    const logits = await logitsOf(draft, id, expected('snnet.pixels'));
    expectClose(logits, expected('snnet.logits').slice(n * 5, n * 5 + 5), TOLERANCE, id);
  });

  test('the final norm of stitched routes can be asked for', () => {
    const options = { name: 's', heads: [1, 2, 3], stitchedFinalNorm: true };
    const { routes } = importFamily([openCheckpoint(fixture('snnet.pth'))], options);
    expect(routes.every(({ finalNorm }) => finalNorm)).toBe(true);
  });
});

describe('SN-Netv2', () => {
  interface Row {
    readonly kind: string;
    readonly spans: readonly (readonly [number, number, number])[];
  }
  const rows = JSON.parse(readFileSync(fixture('snnetv2.routes.json'), 'utf8')) as Row[];
  const notes: string[] = [];
  const draft = importFamily([openCheckpoint(fixture('snnetv2.pth'))], {
    name: 'v2',
    ids: ['s', 'l'],
    heads: [1, 2],
    onNote: (note) => notes.push(note),
  });

  test('has the official routes in order, but the one without a last block', () => {
    const spans = draft.routes.map(({ path }) => path.filter((step) => 'anchor' in step));
    const listed = rows.map((row) => row.spans.map(([anchor, from, to]) => ({ anchor: 'sl'[anchor], from, to })));
    expect(spans).toEqual(listed);
    expect(notes.join()).toContain('s.2+l.6');
    expect(draft.stitches.map(({ id }) => id)).toEqual(['s-l.0', 's-l.1', 'l-s.0', 'l-s.1']);
    expect(draft.routes.every(({ finalNorm }) => finalNorm)).toBe(true);
    expect(draft.anchors.map(({ config }) => config.depth)).toEqual([3, 6]);
  });

  test.each(rows.map(({ kind }, n) => [kind, n] as const))('%s, row %i', async (kind, n) => {
    const logits = await logitsOf(draft, draft.routes[n]!.id, expected('snnetv2.pixels'));
    expectClose(logits, expected('snnetv2.logits').slice(n * 5, n * 5 + 5), TOLERANCE, kind);
  });

  test('puts no position under the class token', () => {
    const { shape, data } = draft.tensors.get('anchors.s.embed.pos')!;
    expect(shape).toEqual([5, 4]);
    expect([...data.subarray(0, 4)]).toEqual([0, 0, 0, 0]);
    expect(data.subarray(4, 8).every((value) => value !== 0)).toBe(true);
  });
});

describe('the committed SN-Net fixture, written back into the official layout', () => {
  const { manifest, shards, pixels, expected: answer, batch } = readFixture('snnet-deit-tiny');
  const official = new Map<string, TensorView>();
  for (const { tensors } of shards) for (const [name, view] of tensors) official.set(...officialTensor(name, view));

  test('gives its tensors, stitches and routes again, and its logits', async () => {
    const path = join(scratch(), 'snnet.safetensors');
    writeFileSync(path, writeSafetensors(official));
    const draft = importFamily([openCheckpoint(path)], { name: manifest.name, ids: ['t0', 't1', 't2'], heads: [2, 4, 6] });
    expect(draft.routes).toEqual(manifest.routes.map(({ id, path: steps, finalNorm }) => ({ id, path: steps, finalNorm })));
    expect(draft.stitches).toEqual(manifest.stitches);
    expect(draft.anchors.map(({ config }) => config)).toEqual(manifest.anchors.map(({ config }) => config));
    expect(draft.tensors.size).toBe(official.size);
    for (const { tensors } of shards) {
      for (const [name, view] of tensors) {
        expect(draft.tensors.get(name)!.shape).toEqual(view.shape);
        expect(draft.tensors.get(name)!.data).toEqual(tensorToF32(view));
      }
    }
    for (const id of ['t2', 't0.3+t1.2', 't1.0+t2.1']) {
      expectClose(await logitsOf(draft, id, pixels), answer(id, 'f16'), TOLERANCE, `${id} of ${batch} images`);
    }
  });

  /** Our names to those of the official modules. */
  function officialTensor(name: string, view: TensorView): [string, TensorView] {
    const [, stitch, layer, kind] = /^stitches\.(t\d)-t\d\.(\d+)\.(weight|bias)$/.exec(name) ?? [];
    if (stitch !== undefined) return [`stitch_layers.${stitch[1]}.${layer}.transform.${kind}`, view];
    const key = name
      .replace(/^anchors\.t/, 'anchors.')
      .replace('embed.proj', 'patch_embed.proj')
      .replace('embed.cls', 'cls_token')
      .replace('embed.pos', 'pos_embed')
      .replace(/\.(qkv|proj)\.(weight|bias)$/, (all, part: string, kind2: string) =>
        all.startsWith('.proj') && name.includes('embed.') ? all : `.attn.${part}.${kind2}`,
      )
      .replace(/\.(fc[12])\./, '.mlp.$1.')
      .replace('head.norm', 'norm')
      .replace('head.fc', 'head');
    const shape = /(cls_token|pos_embed)$/.test(key) ? [...(key.endsWith('token') ? [1, 1] : [1]), ...view.shape] : view.shape;
    return [key, { ...view, shape }];
  }
});
