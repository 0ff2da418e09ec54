/** The command `stitch`, on random anchors and small pictures. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { runCli } from '../../../../src/tools/model/cli';
import { readBundle } from '../../../../src/tools/model/read-bundle';
import { stitchingSpace } from '../../../../src/tools/model/space';
import { writeBundle } from '../../../../src/tools/model/write-bundle';
import { maxAbsError } from '../../../support/close';
import { packed, picture } from './pictures';
import { fakeIo, sampleFamily, temporaryFolder } from './sample';

vi.setConfig({ testTimeout: 120_000 });

async function workshop() {
  const parent = temporaryFolder();
  const anchors = join(parent, 'anchors');
  await writeBundle(anchors, sampleFamily({ plain: true }), { groupSize: 2 });
  const images = join(parent, 'set.jpk');
  writeFileSync(
    images,
    packed(await Promise.all(Array.from({ length: 10 }, async (_, label) => ({ label, jpeg: await picture(label) })))),
  );
  return { parent, anchors, images, out: join(parent, 'family') };
}

describe('stitch', () => {
  it('adds the whole space, fitted, and keeps the anchors', async () => {
    const { anchors, images, out } = await workshop();
    const io = fakeIo();
    const code = await runCli(['stitch', anchors, '--images', images, '--out', out, '--batch', '3', '--json'], io);
    expect(io.errors).toEqual([]);
    expect(code).toBe(0);
    const { manifest, draft } = await readBundle(out);
    expect(manifest.routes.map(({ id }) => id)).toEqual(sampleFamily().routes.map(({ id }) => id));
    expect(manifest.stitches.map(({ id }) => id)).toEqual(['a-b.0', 'a-b.1', 'a-b.2']);
    expect(manifest.routes.every(({ finalNorm }) => finalNorm)).toBe(true);
    const before = (await readBundle(anchors)).draft;
    for (const [name, { data }] of before.tensors) expect(maxAbsError(draft.tensors.get(name)!.data, data), name).toBe(0);
    const report = JSON.parse(io.text.join('')) as {
      images: number;
      rows: number;
      pairs: { before: number; own: number; after: number }[];
    };
    expect(report).toMatchObject({ images: 10, rows: 10 * 5 });
    expect(report.pairs).toHaveLength(4 + 3 + 3);
    for (const { before: mean, own, after } of report.pairs) {
      expect(own).toBeLessThan(mean);
      expect(own).toBeLessThanOrEqual(after + 1e-12);
    }
    expect(await runCli(['verify', out], fakeIo())).toBe(0);
  });

  it('keeps what rounding cost the anchors, not what it cost the stitches that it replaces', async () => {
    const { parent, images, out } = await workshop();
    const family = sampleFamily();
    const accuracy = { top1: 0.5, top5: 1, loss: 2 };
    const stitched = family.routes.find(({ path }) => path.length > 1)!.id;
    const routes = ['a', stitched].map((id) => ({ id, before: accuracy, after: accuracy }));
    const about = { weights: 'int8', images: 9, set: 'x' } as const;
    const rounded = join(parent, 'rounded');
    await writeBundle(rounded, { ...family, quantization: { ...about, routes } });
    const args = ['--images', images, '--count', '4'];
    expect(await runCli(['stitch', rounded, ...args, '--out', out], fakeIo())).toBe(0);
    expect((await readBundle(out)).manifest.quantization).toEqual({ ...about, routes: routes.slice(0, 1) });

    const only = join(parent, 'only');
    await writeBundle(only, { ...family, quantization: { ...about, routes: routes.slice(1) } });
    expect(await runCli(['stitch', only, ...args, '--out', out, '--force', '--kernel', '1'], fakeIo())).toBe(0);
    expect((await readBundle(out)).manifest.quantization).toEqual({ weights: 'int8', images: 0, routes: [] });
  });

  it('draws the same images and gets the same weights for the same seed', async () => {
    const { parent, anchors, images } = await workshop();
    const fits = [];
    for (const [index, seed] of ['7', '7', '8'].entries()) {
      const out = join(parent, `out${index}`);
      expect(
        await runCli(['stitch', anchors, '--images', images, '--count', '6', '--seed', seed, '--out', out], fakeIo()),
      ).toBe(0);
      fits.push((await readBundle(out)).draft.tensors.get('stitches.a-b.1.weight')!.data);
    }
    expect(maxAbsError(fits[1]!, fits[0]!)).toBe(0);
    expect(maxAbsError(fits[2]!, fits[0]!)).toBeGreaterThan(0);
  });

  it('leaves the final norm off where it is told to, on stitched routes only', async () => {
    const { anchors, images, out } = await workshop();
    const args = ['stitch', anchors, '--images', images, '--out', out, '--no-final-norm', '--init', 'random', '--kernel', '1'];
    expect(await runCli(args, fakeIo())).toBe(0);
    const { manifest } = await readBundle(out);
    expect(manifest.routes.map(({ path, finalNorm }) => [path.length, finalNorm])).toEqual([
      [1, true],
      [1, true],
      ...Array.from({ length: 4 }, () => [3, false]),
    ]);
  });

  it('writes nothing when it is stopped, is wrong, or finds the folder taken', async () => {
    const { parent, anchors, images, out } = await workshop();
    const stopped = fakeIo();
    stopped.stop.abort();
    expect(await runCli(['stitch', anchors, '--images', images, '--out', out], stopped)).toBe(130);
    expect(await runCli(['stitch', anchors, '--images', images, '--out', anchors], fakeIo())).toBe(1);
    const missing = fakeIo();
    expect(await runCli(['stitch', anchors, '--images', join(parent, 'none'), '--out', out], missing)).toBe(1);
    expect(missing.errors.join()).toMatch(/^model: There is no /);
    expect(await runCli(['stitch', anchors, '--images', images, '--out', out, '--kernel', '0'], fakeIo())).toBe(2);
    expect(existsSync(out)).toBe(false);
    expect(readdirSync(parent).sort()).toEqual(['anchors', 'set.jpk']);
  });
});

describe('stitchingSpace', () => {
  const anchors = (...depths: number[]) =>
    depths.map((depth, index) => ({ ...sampleFamily({ depth }).anchors[Math.min(index, 1)]!, id: `n${index}` }));

  it('pairs unequal depths by the nearest front block', () => {
    const { stitches, routes } = stitchingSpace(anchors(6, 18), { kernel: 2, stride: 1 });
    expect(stitches).toHaveLength(6);
    expect(routes).toHaveLength(2 + 17);
    expect(stitches[1]!.pairs.map(({ front, back }) => [front, back])).toEqual([
      [1, 3],
      [1, 4],
      [1, 5],
    ]);
    expect(routes.at(-1)!.path).toEqual([
      { anchor: 'n0', from: 0, to: 5 },
      { stitch: 'n0-n1.5' },
      { anchor: 'n1', from: 17, to: 17 },
    ]);
  });

  it('enters a shallower back after the blocks that are done, and windows equal neighbours as ever', () => {
    const { stitches, routes } = stitchingSpace(anchors(24, 12, 12), { kernel: 2, stride: 1 });
    const first = stitches.filter(({ from }) => from === 'n0').flatMap(({ pairs }) => pairs);
    // SN-Netv2's large-to-small rule: every odd front block i before back block ⌊i / 2⌋ + 1.
    expect(first.map(({ front, back }) => [front, back])).toEqual(Array.from({ length: 11 }, (_, n) => [2 * n + 1, n + 1]));
    expect(stitches.filter(({ from }) => from === 'n1')).toHaveLength(11);
    expect(routes).toHaveLength(3 + 11 + 34);
    expect(new Set(routes.map(({ id }) => id)).size).toBe(routes.length);
  });
});
