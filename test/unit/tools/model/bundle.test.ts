/** Writing and reading bundles: what comes back, in which order it lies, and what is refused. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { parseSafetensors } from '../../../../src/bundle/safetensors';
import { referenceLogits } from '../../../../src/tools/model/check-vectors';
import { writeFolder, writeWhole } from '../../../../src/tools/model/partial';
import { planShards } from '../../../../src/tools/model/shard-plan';
import { readBundle } from '../../../../src/tools/model/read-bundle';
import { verifyFamily } from '../../../../src/tools/model/verify';
import { writeBundle } from '../../../../src/tools/model/write-bundle';
import type { Manifest } from '../../../../src/bundle/manifest';
import { maxAbsError } from '../../../support/close';
import { expectError } from '../../bundle/expect-error';
import { sampleFamily, temporaryFolder } from './sample';

vi.setConfig({ testTimeout: 60_000 });
afterEach(() => vi.restoreAllMocks());

const files = (folder: string) => readdirSync(folder).sort();

describe('writeBundle and readBundle', () => {
  it('give back the same family, rounded to f16, and the same logits', async () => {
    const folder = join(temporaryFolder(), 'family');
    const draft = sampleFamily();
    draft.routes[0] = { ...draft.routes[0]!, top1: 0.25, top5: 0.5, loss: 2 };
    const manifest = await writeBundle(folder, draft, { groupSize: 2 });
    const { draft: back, groupSize } = await readBundle(folder);
    expect(groupSize).toBe(2);
    expect({ ...back, tensors: undefined, check: undefined }).toEqual({ ...draft, tensors: undefined, check: undefined });
    expect([...back.tensors.keys()].sort()).toEqual([...draft.tensors.keys()].sort());
    for (const [name, { data }] of draft.tensors) {
      expect(maxAbsError(back.tensors.get(name)!.data, data), name).toBeLessThan(1e-3);
    }
    const { check } = back;
    expect(check).toMatchObject({ source: 'reference', batch: 2, routes: manifest.check.routes });
    expect(check!.routes).toEqual(expect.arrayContaining(['a', 'b']));
    // Logits of the draft as it was, before anything was written.
    expect(maxAbsError(check!.logits, await referenceLogits(draft, check!.routes, check!.image, 2))).toBeLessThan(1e-6);
    const again = join(folder, '..', 'again');
    await writeBundle(again, back, { groupSize: 2 });
    for (const file of files(folder))
      expect(readFileSync(join(again, file)).equals(readFileSync(join(folder, file))), file).toBe(true);
  });

  it('keeps check vectors that came with the family, without saying they are its own', async () => {
    const folder = join(temporaryFolder(), 'family');
    const draft = sampleFamily();
    const image = new Uint8Array(8 * 8 * 3).fill(100);
    const logits = (await referenceLogits(draft, ['b'], image, 1)).map((value) => value + 1);
    await writeBundle(folder, { ...draft, check: { image, batch: 1, routes: ['b'], logits, tolerance: 0.01 } });
    const family = await readBundle(folder);
    expect([...family.draft.check!.logits]).toEqual([...logits]);
    expect(family.document.check).not.toHaveProperty('source');
    // These are wrong by 1, and verify says so.
    const report = await verifyFamily(family);
    expect(report).toMatchObject({ passed: false, source: 'original' });
    expect(report.routes[0]!.maxAbsError).toBeCloseTo(1, 3);
  });

  it('counts MACs and leaves the accuracies', async () => {
    const folder = join(temporaryFolder(), 'family');
    const { routes } = await writeBundle(folder, sampleFamily());
    // Four patches and the class token; width 8, mlp 16, depth 4: by hand.
    const block = 5 * 3 * 64 + 2 * 25 * 8 + 5 * 64 + 2 * 5 * 8 * 16 + 10 * 5 * 8;
    expect(routes[0]).toMatchObject({ id: 'a', macs: 4 * 48 * 8 + 4 * block + 5 * 5 * 8 + 3 * 8 });
    expect(routes[0]).not.toHaveProperty('top1');
  });

  it('marks the Pareto front of the accuracies, whatever was marked, and again when it is written anew', async () => {
    const folder = join(temporaryFolder(), 'family');
    const draft = sampleFamily();
    // The anchors alone are rated; the larger one is worse, and wears the mark of another time.
    draft.routes = draft.routes.map((route) => {
      if (route.path.length > 1) return route;
      return { ...route, top1: route.id === 'a' ? 0.5 : 0.25, ...(route.id === 'b' && { pareto: true }) };
    });
    await writeBundle(folder, draft);
    const marked = async (where: string) =>
      ((await readBundle(where)).document.routes as readonly { readonly id: string; readonly pareto?: boolean }[])
        .filter((route) => 'pareto' in route)
        .map(({ id, pareto }) => [id, pareto]);
    expect(await marked(folder)).toEqual([['a', true]]);
    const again = join(folder, '..', 'again');
    await writeBundle(again, (await readBundle(folder)).draft);
    expect(await marked(again)).toEqual([['a', true]]);
  });

  it('says where and why the file system refused', async () => {
    const parent = temporaryFolder();
    const file = join(parent, 'file');
    writeFileSync(file, 'x');
    await expectError(() => writeBundle(join(file, 'family'), sampleFamily()), 'storage', /file.family: .* name another/i);
    const missing = join(parent, 'nowhere', 'x.svg');
    await expectError(() => writeWhole(missing, 'x'), 'storage', /x\.svg: its folder is not there/);
    await expectError(() => writeWhole(parent, 'x'), 'storage', parent);
    const own = () => Promise.reject(new TypeError('a mistake'));
    await expect(writeFolder(join(parent, 'y'), {}, own)).rejects.toBeInstanceOf(TypeError);
    expect(readdirSync(parent)).toEqual(['file']);
  });

  it('notices a changed byte, a missing file and a cut one', async () => {
    const folder = join(temporaryFolder(), 'family');
    await writeBundle(folder, sampleFamily());
    const path = join(folder, 'a.head.safetensors');
    const whole = readFileSync(path);
    const changed = Buffer.from(whole);
    changed[changed.length - 1]! ^= 1;
    writeFileSync(path, changed);
    await expectError(() => readBundle(folder), 'bundle-integrity', 'a.head.safetensors', 'SHA-256');
    writeFileSync(path, whole.subarray(1));
    await expectError(() => readBundle(folder), 'bundle-integrity', 'bytes');
    await expectError(() => readBundle(join(folder, 'nowhere')), 'bundle-invalid', 'manifest.json cannot be read');
  });
});

describe('shards', () => {
  it('lie in the order of the default bundle, suffix first', () => {
    const url = new URL('../../../../public/models/photos/manifest.json', import.meta.url);
    const manifest = JSON.parse(readFileSync(url, 'utf8')) as Manifest;
    const blocks = manifest.shards.map(({ units }) => units.filter((unit) => unit.includes('.blocks.')).length);
    expect(planShards(manifest, Math.max(...blocks))).toEqual(manifest.shards.map(({ file, units }) => ({ file, units })));
  });

  it('are the fixtures’ too, with other group sizes and three anchors', () => {
    for (const name of ['tiny', 'snnet-deit-tiny']) {
      const url = new URL(`../../../fixtures/${name}/manifest.json`, import.meta.url);
      const manifest = JSON.parse(readFileSync(url, 'utf8')) as Manifest;
      expect(planShards(manifest, 2), name).toEqual(manifest.shards.map(({ file, units }) => ({ file, units })));
    }
  });

  it('hold stitches to a smaller anchor before the larger one’s embed, and every unit once', () => {
    const draft = sampleFamily();
    const back = { id: 'b-a.0', from: 'b', to: 'a' };
    const path = [{ anchor: 'b', from: 0, to: 1 }, { stitch: 'b-a.0' }, { anchor: 'a', from: 2, to: 3 }];
    const family = {
      ...draft,
      stitches: [...draft.stitches, back, { ...back, id: 'a-b.9', from: 'a', to: 'b' }],
      routes: [...draft.routes, { id: 'x', path }],
    };
    const plan = planShards(family, 2);
    expect(plan.slice(-3).map(({ file }) => file)).toEqual([
      'stitches.a-b.9-9.safetensors',
      'stitches.b-a.0-0.safetensors',
      'b.embed.safetensors',
    ]);
    const units = plan.flatMap((shard) => shard.units);
    expect(new Set(units).size).toBe(units.length);
    expect(units).toHaveLength(2 * (4 + 2) + 3 + 2);
  });

  it('start their data on a multiple of 8 and hold f16 only', async () => {
    const folder = join(temporaryFolder(), 'family');
    const { shards, check } = await writeBundle(folder, sampleFamily());
    for (const { file } of shards) {
      const tensors = parseSafetensors(new Uint8Array(readFileSync(join(folder, file))), file);
      expect(new Set([...tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['F16']));
    }
    const vectors = parseSafetensors(new Uint8Array(readFileSync(join(folder, check.file))), check.file);
    expect(vectors.get('logits')!.data.byteOffset % 4).toBe(0);
  });
});

describe('what writeBundle refuses', () => {
  const broken = (change: (draft: ReturnType<typeof sampleFamily>) => void) => {
    const draft = sampleFamily();
    change(draft);
    return draft;
  };
  const name = 'anchors.b.blocks.2.fc1.weight';
  it.each([
    [
      'a weight beyond f16',
      broken(({ tensors }) => tensors.get(name)!.data.fill(70_000, 3, 4)),
      'bundle-invalid',
      /fc1\.weight.*70000.*index 3/,
    ],
    [
      'a NaN',
      broken(({ tensors }) => tensors.get(name)!.data.fill(Number.NaN, 0, 1)),
      'bundle-invalid',
      /fc1\.weight.*NaN.*finite/,
    ],
    ['a missing tensor', broken(({ tensors }) => tensors.delete(name)), 'bundle-invalid', /fc1\.weight is missing/],
    [
      'a wrong shape',
      broken(({ tensors }) => tensors.set(name, { shape: [2], data: new Float32Array(2) })),
      'bundle-invalid',
      /fc1\.weight has shape \[2\]/,
    ],
    [
      'a tensor of no unit',
      broken(({ tensors }) => tensors.set('odd', { shape: [1], data: new Float32Array(1) })),
      'bundle-invalid',
      /odd belongs to no unit/,
    ],
    ['a missing label', broken(({ labels }) => labels.pop()), 'bundle-invalid', /2 labels for 3 classes/],
    [
      'a bad id',
      broken((draft) => (draft.anchors[0] = { ...draft.anchors[0]!, name: '' })),
      'bundle-invalid',
      /anchors\[0\]\.name is empty/,
    ],
  ] as const)('%s, leaving nothing', async (_what, draft, code, message) => {
    const parent = temporaryFolder();
    await expectError(() => writeBundle(join(parent, 'family'), draft), code, message);
    expect(readdirSync(parent)).toEqual([]);
  });

  it('a folder that is taken, unless it is a bundle and --force is given', async () => {
    const parent = temporaryFolder();
    const folder = join(parent, 'family');
    await writeBundle(folder, sampleFamily());
    const before = readFileSync(join(folder, 'manifest.json'), 'utf8');
    await expectError(() => writeBundle(folder, { ...sampleFamily(), name: 'other' }), 'argument-invalid', '--force');
    expect(readFileSync(join(folder, 'manifest.json'), 'utf8')).toBe(before);
    await writeBundle(folder, { ...sampleFamily(), name: 'other' }, { force: true });
    expect(readFileSync(join(folder, 'manifest.json'), 'utf8')).toContain('"other"');
    expect(readdirSync(parent)).toEqual(['family']);

    const foreign = join(parent, 'photos');
    mkdirSync(foreign);
    writeFileSync(join(foreign, 'holiday.jpg'), 'x');
    await expectError(() => writeBundle(foreign, sampleFamily(), { force: true }), 'argument-invalid', 'never replaced');
    await expectError(
      () => writeBundle(join(foreign, 'holiday.jpg'), sampleFamily(), { force: true }),
      'argument-invalid',
      'is a file',
    );
    expect(files(foreign)).toEqual(['holiday.jpg']);
  });

  it.each([1, 4, 9])('being stopped after file %i leaves nothing, or what was there', async (after) => {
    const parent = temporaryFolder();
    const folder = join(parent, 'family');
    const write = (target: string, force: boolean) => {
      const stop = new AbortController();
      const onProgress = (done: number) => done === after && stop.abort();
      return writeBundle(target, { ...sampleFamily(), name: 'other' }, { force, signal: stop.signal, onProgress });
    };
    await expectError(() => write(folder, false), 'aborted');
    expect(existsSync(folder)).toBe(false);
    await writeBundle(folder, sampleFamily());
    await expectError(() => write(folder, true), 'aborted');
    expect(readdirSync(parent)).toEqual(['family']);
    expect((await readBundle(folder)).manifest.name).toBe('sample');
  });
});
