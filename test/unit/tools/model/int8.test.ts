/** `pack --weights`: what is written, what its check vectors and accuracies say afterwards, and what it refuses. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Manifest } from '../../../../src/bundle/manifest';
import { parseSafetensors, tensorToF32, type Tensors } from '../../../../src/bundle/safetensors';
import { scaleName } from '../../../../src/model/int8';
import { familyParams } from '../../../../src/model/params';
import { runCli } from '../../../../src/tools/model/cli';
import { readBundle } from '../../../../src/tools/model/read-bundle';
import { withWeights } from '../../../../src/tools/model/requantize';
import { verifyFamily } from '../../../../src/tools/model/verify';
import { writeBundle } from '../../../../src/tools/model/write-bundle';
import { expectClose, maxAbsError } from '../../../support/close';
import { expectError } from '../../bundle/expect-error';
import { picture } from './pictures';
import { fakeIo, sampleFamily, temporaryFolder } from './sample';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const fixture = (name: string) => fileURLToPath(new URL(`../../../fixtures/${name}`, import.meta.url));

async function run(...argv: string[]) {
  const io = fakeIo();
  return { code: await runCli(argv, io), text: io.text.join('\n'), errors: io.errors.join('\n') };
}

const lasting: string[] = [];
afterAll(() => {
  for (const folder of lasting) rmSync(folder, { recursive: true, force: true });
});

/** As temporaryFolder, for all tests of this file. */
function lastingFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'running-stitch-'));
  lasting.push(folder);
  return folder;
}

const manifestOf = (folder: string) => JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest;
const tensorsOf = (folder: string, file: string): Tensors =>
  parseSafetensors(new Uint8Array(readFileSync(join(folder, file))), file);
const whole = (folder: string) => new Map(manifestOf(folder).shards.flatMap(({ file }) => [...tensorsOf(folder, file)]));

describe('pack --weights int8', () => {
  let out = '';
  let packed: Awaited<ReturnType<typeof run>>;
  beforeAll(async () => {
    out = join(lastingFolder(), 'int8');
    packed = await run('pack', fixture('tiny'), '--weights', 'int8', '--group', '2', '--out', out);
    expect(packed).toMatchObject({ code: 0 });
  });

  it('writes tensor by tensor what the Python writer does', () => {
    const [own, python] = [whole(out), whole(fixture('tiny-int8'))];
    expect([...own.keys()].sort()).toEqual([...python.keys()].sort());
    for (const [name, { dtype, shape, data }] of python) {
      expect({ name, dtype: own.get(name)!.dtype, shape: own.get(name)!.shape }).toEqual({ name, dtype, shape });
      expect(Buffer.compare(own.get(name)!.data, data), name).toBe(0);
    }
    expect(own.get('anchors.b.blocks.0.fc1.weight')!.dtype).toBe('I8');
    expect(own.get('anchors.b.blocks.0.fc1.bias')!.dtype).toBe('F16');
    expect(own.get('anchors.b.embed.pos')!.dtype).toBe('F16');
    expect(manifestOf(out).shards.map(({ file }) => file)).toEqual(manifestOf(fixture('tiny')).shards.map(({ file }) => file));
  });

  it('computes the same questions anew, as PyTorch does on these weights', async () => {
    const logits = (folder: string) => tensorToF32(tensorsOf(folder, 'check.safetensors').get('logits')!);
    const { check } = manifestOf(out);
    expect(check).toMatchObject({ routes: manifestOf(fixture('tiny')).check.routes, source: 'reference' });
    expectClose(logits(out), logits(fixture('tiny-int8')), 1e-4, 'check vectors');
    expect(maxAbsError(logits(out), logits(fixture('tiny')))).toBeGreaterThan(0.01);
    for (const folder of [out, fixture('tiny-int8')]) expect((await verifyFamily(await readBundle(folder))).passed).toBe(true);
  });

  it('says that the loss was not measured, and leaves out what is no longer true', async () => {
    expect(packed.errors).toContain('was not measured');
    expect(packed.errors).toContain('--images');
    expect(manifestOf(out)).toMatchObject({ quantization: { weights: 'int8', images: 0, routes: [] } });
    const rated = sampleFamily();
    rated.routes = rated.routes.map((route) => ({ ...route, top1: 0.5, top5: 0.9, loss: 1 }));
    const parent = temporaryFolder();
    await writeBundle(join(parent, 'f16'), rated);
    const { errors } = await run('pack', join(parent, 'f16'), '--weights', 'int8', '--out', join(parent, 'int8'));
    expect(errors).toMatch(/accuracies of the routes were of the old weights.*evaluate/);
    expect(manifestOf(join(parent, 'int8')).routes[0]).not.toHaveProperty('top1');
  });

  it('round-trips: written again it is the same to the byte, and f16 holds its values', async () => {
    const parent = temporaryFolder();
    const again = join(parent, 'again');
    expect((await run('pack', out, '--group', '2', '--out', again)).code).toBe(0);
    expect((await run('pack', out, '--group', '2', '--weights', 'int8', '--out', again, '--force')).errors).toContain(
      'already',
    );
    for (const file of readdirSync(out))
      expect(readFileSync(join(again, file)).equals(readFileSync(join(out, file))), file).toBe(true);

    const back = join(parent, 'back');
    expect((await run('pack', out, '--weights', 'f16', '--out', back)).code).toBe(0);
    const [{ draft: f16 }, { draft: int8 }] = [await readBundle(back), await readBundle(out)];
    expect([...f16.tensors.values()].some((tensor) => tensor.int8 !== undefined)).toBe(false);
    for (const [name, { data }] of int8.tensors) {
      expect(maxAbsError(f16.tensors.get(name)!.data, data), name).toBeLessThan(2e-3);
    }
    expect((await run('verify', back)).code).toBe(0);
  });

  it('is seen by inspect', async () => {
    expect((await run('inspect', out)).text).toMatch(/0\.14 M weights in int8.*\n\nWeights rounded to int8; .* not measured/s);
    const { weights } = JSON.parse((await run('inspect', fixture('tiny-int8'), '--json')).text) as { weights: object };
    // Embeddings, blocks, heads, stitches; everything else of the family is f16.
    const int8 = 192 * (32 + 48) + 3 * 12 * (32 * 32 + 48 * 48) + 10 * (32 + 48) + 2 * 32 * 48;
    expect(weights).toEqual({ int8, f16: familyParams(manifestOf(fixture('tiny'))) - int8 });
    expect((await run('inspect', fixture('tiny'))).text).not.toContain('int8');
  });

  it('leaves other tensors of a mixed bundle as they are', async () => {
    const folder = join(temporaryFolder(), 'mixed');
    const draft = sampleFamily();
    const name = 'anchors.b.blocks.2.fc1.weight';
    const rows = withWeights(draft.tensors, 'int8')!.get(name)!;
    draft.tensors.set(name, rows);
    await writeBundle(folder, draft);
    const family = await readBundle(folder);
    const int8 = [...family.draft.tensors].filter(([, tensor]) => tensor.int8 !== undefined);
    expect(int8.map(([key]) => key)).toEqual([name]);
    expect([...int8[0]![1].data]).toEqual([...rows.data]);
    expect((await verifyFamily(family)).passed).toBe(true);
  });
});

describe('pack --weights int8 --images', () => {
  let parent = '';
  beforeAll(async () => {
    parent = lastingFolder();
    await writeBundle(join(parent, 'f16'), sampleFamily());
    for (let i = 0; i < 9; i += 1) {
      mkdirSync(join(parent, 'images', String(i % 3)), { recursive: true });
      writeFileSync(join(parent, 'images', String(i % 3), `${i}.jpg`), await picture(i));
    }
  });
  const pack = (out: string, ...more: string[]) =>
    run(
      'pack',
      join(parent, 'f16'),
      '--weights',
      'int8',
      '--images',
      join(parent, 'images'),
      '--out',
      join(parent, out),
      ...more,
    );

  it('measures the anchors before and after, as evaluate does', async () => {
    const { code, text, errors } = await pack('anchors');
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    expect(text).toMatch(/measured on 9 images of images:\nroute +top-1 before +after +points lost/);
    const { quantization, routes } = manifestOf(join(parent, 'anchors'));
    expect(quantization).toMatchObject({ weights: 'int8', images: 9, set: 'images' });
    expect(quantization!.routes.map(({ id }) => id)).toEqual(['a', 'b']);
    expect(routes[0]).not.toHaveProperty('top1');
    expect(readdirSync(parent).filter((file) => file.endsWith('.jsonl'))).toEqual([]);

    for (const [folder, when] of [
      ['f16', 'before'],
      ['anchors', 'after'],
    ] as const) {
      const found = await run('evaluate', join(parent, folder), '--images', join(parent, 'images'), '--json');
      const all = (JSON.parse(found.text) as { routes: { id: string; top1: number; top5: number; loss: number }[] }).routes;
      for (const route of quantization!.routes) {
        const { top1, top5, loss } = all.find(({ id }) => id === route.id)!;
        expect(route[when], `${route.id} ${when}`).toEqual({ top1, top5, loss });
      }
    }
    const [first] = quantization!.routes;
    expect(first!.after.loss).not.toBe(first!.before.loss);
  });

  it('measures every route with --routes all, which makes the accuracies whole', async () => {
    expect((await pack('all', '--routes', 'all', '--count', '4', '--json')).code).toBe(0);
    const { quantization, routes } = manifestOf(join(parent, 'all'));
    expect(quantization!.images).toBe(4);
    expect(routes.map(({ id, top1, loss }) => ({ id, top1, loss }))).toEqual(
      quantization!.routes.map(({ id, after: { top1, loss } }) => ({ id, top1, loss })),
    );
    expect((await run('inspect', join(parent, 'all'))).text).toContain('measured on 4 images');
  });

  it('goes on where it was stopped, and with other images only from the start', async () => {
    const args = ['--weights', 'int8', '--images', join(parent, 'images'), '--out', join(parent, 'stopped')];
    const io = fakeIo();
    const update = (phase: string) => phase.includes('after') && io.stop.abort();
    const stopping = { ...io, progress: { update, end: () => {} } };
    expect(await runCli(['pack', join(parent, 'f16'), ...args], stopping)).toBe(130);
    const kept = () => readdirSync(parent).filter((file) => file.endsWith('.jsonl'));
    expect(kept()).toEqual(['stopped.rounding.after.jsonl', 'stopped.rounding.before.jsonl']);
    // The form is kept with it: what was measured of another one is not taken up.
    expect(readFileSync(join(parent, 'stopped.rounding.after.jsonl'), 'utf8')).toContain('"rounded":"int8"');
    const fewer = await pack('stopped', '--count', '5');
    expect(fewer).toMatchObject({ code: 1, errors: expect.stringContaining('Pass --restart') });
    expect((await pack('stopped', '--count', '5', '--restart')).code).toBe(0);
    expect(manifestOf(join(parent, 'stopped')).quantization!.images).toBe(5);
    expect(kept()).toEqual([]);
  });

  it.each([
    [['--routes', 'a,nowhere'], 'no route "nowhere"'],
    [['--images', '/nowhere'], '/nowhere'],
  ])('%j fails and writes nothing', async (more, message) => {
    const { code, errors } = await pack('failed', ...more);
    expect(code).toBe(1);
    expect(errors).toContain(message);
    expect(existsSync(join(parent, 'failed'))).toBe(false);
  });

  it('wants --weights with --images', async () => {
    const { code, errors } = await run(
      'pack',
      join(parent, 'f16'),
      '--images',
      join(parent, 'images'),
      '--out',
      join(parent, 'x'),
    );
    expect(code).toBe(1);
    expect(errors).toContain('--weights int8');
  });
});

describe('what is refused', () => {
  it('a bundle that fails its own check vectors', async () => {
    const parent = temporaryFolder();
    const image = new Uint8Array(8 * 8 * 3).fill(100);
    const check = { image, batch: 1, routes: ['b'], logits: Float32Array.of(9, 9, 9), tolerance: 0.01 };
    await writeBundle(join(parent, 'wrong'), { ...sampleFamily(), check });
    const { code, errors } = await run('pack', join(parent, 'wrong'), '--weights', 'int8', '--out', join(parent, 'int8'));
    expect(code).toBe(1);
    expect(errors).toMatch(/fails its own check vectors.*allowed is 0\.01/);
    expect(readdirSync(parent)).toEqual(['wrong']);
  });

  it('int8 for a vector, and values or scales of another number', async () => {
    const rows = (values: number, scales: number) => ({ values: new Int8Array(values), scale: new Float32Array(scales) });
    const cases = [
      ['anchors.b.blocks.2.fc1.bias', rows(32, 32), /fc1\.bias has 32 int8 values.*Only the matrices/],
      ['anchors.b.blocks.2.fc1.weight', rows(511, 32), /fc1\.weight has 511 int8 values and 32 scales.*512 and 32/],
      ['anchors.b.blocks.2.fc1.weight', rows(512, 31), /512 int8 values and 31 scales/],
    ] as const;
    for (const [name, int8, message] of cases) {
      const draft = sampleFamily();
      draft.tensors.set(name, { ...draft.tensors.get(name)!, int8 });
      await expectError(() => writeBundle(join(temporaryFolder(), 'x'), draft), 'bundle-invalid', message);
    }
  });

  it('a shard whose scales were tampered with, by name', async () => {
    const folder = join(temporaryFolder(), 'family');
    const draft = sampleFamily();
    const name = 'stitches.a-b.0.weight';
    const rows = withWeights(draft.tensors, 'int8')!.get(name)!;
    rows.int8!.scale[2] = Number.NaN;
    draft.tensors.set(name, rows);
    await expectError(
      () => writeBundle(folder, draft).then(() => readBundle(folder)),
      'bundle-invalid',
      scaleName(name),
      'NaN',
    );
  });

  it('a vector beyond f16 still, but no longer a matrix', async () => {
    const parent = temporaryFolder();
    const draft = sampleFamily();
    draft.tensors.get('anchors.b.blocks.2.fc1.weight')!.data.fill(70_000, 3, 4);
    await expectError(() => writeBundle(join(parent, 'f16'), draft), 'bundle-invalid', /fc1\.weight.*70000.*index 3/);
    draft.tensors = withWeights(draft.tensors, 'int8')!;
    await writeBundle(join(parent, 'int8'), draft);
    draft.tensors.get('anchors.b.blocks.2.fc1.bias')!.data.fill(70_000, 5, 6);
    await expectError(() => writeBundle(join(parent, 'bias'), draft), 'bundle-invalid', /fc1\.bias.*70000.*index 5/);
  });
});
