/** Evaluation on a made-up labelled set whose right answers are what one route says. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { RouteSpec } from '../../../../src/bundle/manifest';
import { softmax } from '../../../../src/core/topk';
import { unitsOf } from '../../../../src/model/units';
import { runCli } from '../../../../src/tools/model/cli';
import { evaluateBundle } from '../../../../src/tools/model/evaluate';
import { openImages, readPixels } from '../../../../src/tools/model/images';
import { NodeEngine, startNodeBackend } from '../../../../src/tools/model/node-engine';
import { readBundle } from '../../../../src/tools/model/read-bundle';
import { writeBundle } from '../../../../src/tools/model/write-bundle';
import { expectError } from '../../bundle/expect-error';
import { picture } from './pictures';
import { fakeIo, sampleFamily, temporaryFolder } from './sample';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const IMAGES = 12;
let parent = '';
let bundle = '';
let set = '';

/** What `route` says about each picture: logits of each, from the weights as shipped. */
async function answers(route: string): Promise<Float32Array[]> {
  const { manifest, draft } = await readBundle(bundle);
  await startNodeBackend();
  const spec = manifest.routes.find(({ id }) => id === route)!;
  const engine = new NodeEngine(manifest, unitsOf(spec), draft.tensors);
  const entries = Array.from({ length: IMAGES }, (_, i) => ({ name: `${i}`, bytes: () => picture(i) }));
  const found: Float32Array[] = [];
  for (const entry of entries) found.push(await engine.logits(spec, await readPixels([entry], manifest.input), 1));
  engine.dispose();
  return found;
}

const best = (logits: Float32Array): number => logits.indexOf(Math.max(...logits));

beforeEach(async () => {
  parent = temporaryFolder();
  bundle = join(parent, 'family');
  set = join(parent, 'images');
  await writeBundle(bundle, sampleFamily());
  // Every picture in the folder of what route b says; every fourth one in a wrong one.
  for (const [index, logits] of (await answers('b')).entries()) {
    const label = index % 4 === 0 ? (best(logits) + 1) % 3 : best(logits);
    const folder = join(set, String(label));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${String(index).padStart(2, '0')}.jpg`), await picture(index));
  }
});

const options = async (extra: object = {}) => ({
  images: await openImages(set, ['x', 'y', 'z']),
  batch: 2,
  chunk: 4,
  sideFile: join(parent, 'side.jsonl'),
  restart: false,
  ...extra,
});

/** A process in which `work` happens while the routes are run. */
function during(work: () => void) {
  let done = false;
  const update = () => {
    if (!done) work();
    done = true;
  };
  return { ...fakeIo(), progress: { update, end: () => {} } };
}

describe('evaluateBundle', () => {
  it('counts what is right, at first and among five, and the loss', async () => {
    const results = await evaluateBundle(await readBundle(bundle), await options());
    const b = results.find(({ id }) => id === 'b')!;
    expect(b).toMatchObject({ top1: 0.75, top5: 1 });
    const losses = (await answers('b')).map((logits, index) => {
      const label = index % 4 === 0 ? (best(logits) + 1) % 3 : best(logits);
      return -Math.log(softmax(logits)[label]!);
    });
    expect(b.loss).toBeCloseTo(losses.reduce((sum, loss) => sum + loss, 0) / IMAGES, 4);
    const [forA, forB] = [await answers('a'), await answers('b')];
    const agree = forA.filter((logits, i) => best(logits) === (i % 4 === 0 ? (best(forB[i]!) + 1) % 3 : best(forB[i]!))).length;
    expect(results.find(({ id }) => id === 'a')!.top1).toBeCloseTo(agree / IMAGES, 5);
    expect(results).toHaveLength(sampleFamily().routes.length);
  });

  it('takes up a run that was stopped, and only computes what is missing', async () => {
    const family = await readBundle(bundle);
    const stop = new AbortController();
    const seen: number[] = [];
    const stopping = await options({
      signal: stop.signal,
      onProgress: (_phase: string, share: number) => {
        seen.push(share);
        if (share > 0.4) stop.abort();
      },
    });
    await expectError(() => evaluateBundle(family, stopping), 'aborted');
    const lines = readFileSync(stopping.sideFile, 'utf8').trim().split('\n');
    expect(lines).toHaveLength(2);
    // As if the process had been killed in the middle of writing a line.
    writeFileSync(stopping.sideFile, `${lines.join('\n')}\n{"from":4,"cou`);
    const later: number[] = [];
    const resumed = await evaluateBundle(
      family,
      await options({ onProgress: (_: string, share: number) => later.push(share) }),
    );
    // Two chunks of two batches.
    expect(later).toHaveLength(2 * 2 * family.manifest.routes.length);
    expect(later.at(-1)).toBe(1);
    expect(Math.min(...later)).toBeGreaterThan(4 / IMAGES);
    const whole = await evaluateBundle(family, await options({ sideFile: join(parent, 'other.jsonl') }));
    expect(resumed).toEqual(whole);
  });

  it('does not mix the progress of other weights, images or settings into this', async () => {
    const family = await readBundle(bundle);
    await evaluateBundle(family, await options());
    const refused = async (other: typeof family, extra: object = {}) => {
      const again = await options(extra);
      const kept = readFileSync(again.sideFile, 'utf8');
      await expectError(() => evaluateBundle(other, again), 'argument-invalid', '--restart');
      expect(readFileSync(again.sideFile, 'utf8')).toBe(kept);
    };
    await refused(family, { chunk: 3 });
    await refused(family, { rounded: 'int8' });
    const changed = sampleFamily();
    changed.tensors.get('anchors.b.head.fc.bias')!.data[1]! += 1;
    await writeBundle(join(parent, 'changed'), changed);
    await refused(await readBundle(join(parent, 'changed')));
    // One picture in the folder of another class, under the same name.
    const images = await openImages(set, ['x', 'y', 'z']);
    const [first, ...rest] = images.entries;
    await refused(family, { images: { ...images, entries: [{ ...first!, label: (first!.label! + 1) % 3 }, ...rest] } });
    const results = await evaluateBundle(family, await options({ chunk: 3, restart: true }));
    expect(results.find(({ id }) => id === 'b')).toMatchObject({ top1: 0.75 });
  });

  it.each([
    ['one line without an end', 'my notes'],
    ['several lines', 'my\nnotes\n'],
  ])('leaves a file that is none of its own: %s', async (_what, text) => {
    const file = join(parent, 'notes.txt');
    writeFileSync(file, text);
    const foreign = await options({ sideFile: file });
    await expectError(() => readBundle(bundle).then((family) => evaluateBundle(family, foreign)), 'argument-invalid', file);
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  it('names the line of its progress that is damaged', async () => {
    const family = await readBundle(bundle);
    const own = await options();
    await evaluateBundle(family, own);
    writeFileSync(own.sideFile, readFileSync(own.sideFile, 'utf8').replace('{"from":4', '{"from"4'));
    await expectError(() => evaluateBundle(family, own), 'argument-invalid', 'damaged in line 3', '--restart');
  });

  it.each([Number.NaN, Infinity])('refuses to count the logit %d', async (value) => {
    const family = await readBundle(bundle);
    const tensors = new Map(family.draft.tensors);
    tensors.set('anchors.b.head.fc.bias', { shape: [3], data: Float32Array.of(0, value, 0) });
    const damaged = { ...family, draft: { ...family.draft, tensors } };
    const work = async () => evaluateBundle(damaged, await options());
    await expectError(work, 'bundle-invalid', /Route "/, /\.jpg with the logit/, String(value));
  });
});

describe('the command', () => {
  it('writes accuracies and the Pareto front into the manifest, draws the plot and clears up', async () => {
    const io = fakeIo();
    const plot = join(parent, 'plot.svg');
    expect(await runCli(['evaluate', bundle, '--images', set, '--batch', '4', '--plot', plot, '--json'], io)).toBe(0);
    const { manifest, document } = await readBundle(bundle);
    const b = manifest.routes.find(({ id }) => id === 'b')!;
    expect(b).toMatchObject({ top1: 0.75, top5: 1, macs: expect.any(Number), finalNorm: true });
    const routes = document.routes as readonly (RouteSpec & { readonly pareto?: boolean })[];
    const marked = routes.filter(({ pareto }) => pareto === true).map(({ id }) => id);
    const printed = JSON.parse(io.text.join('')) as {
      images: number;
      stitched: { routes: number; mean: number; lowest: number; highest: number };
      routes: { id: string; top1: number; pareto: boolean }[];
    };
    const tops = printed.routes.filter(({ id }) => id.includes('+')).map(({ top1 }) => top1);
    expect(printed.stitched).toEqual({
      routes: tops.length,
      mean: expect.closeTo(tops.reduce((sum, value) => sum + value, 0) / tops.length, 9) as number,
      lowest: Math.min(...tops),
      highest: Math.max(...tops),
    });
    expect(printed.images).toBe(IMAGES);
    expect(printed.routes.filter(({ pareto }) => pareto).map(({ id }) => id)).toEqual(marked);
    expect(marked).toContain('a');
    expect(existsSync(`${bundle}.evaluation.jsonl`)).toBe(false);
    const svg = readFileSync(plot, 'utf8');
    expect(svg.match(/<circle [^>]*cx/g)).toHaveLength(manifest.routes.length - 2);
    expect(svg).toContain('Random width 16');
    // The rest of the bundle is as it was.
    await readBundle(bundle);
  });

  it('puts its results into the manifest as it stands at the end', async () => {
    const path = join(bundle, 'manifest.json');
    const meanwhile = { executor: 'wasm', date: '2026-01-02', frames: 3, routes: [{ route: 'a', medianMs: 1 }] };
    const io = during(() => {
      const document = JSON.parse(readFileSync(path, 'utf8')) as object;
      writeFileSync(path, JSON.stringify({ ...document, version: '1.0.1', priors: [meanwhile] }));
    });
    expect(await runCli(['evaluate', bundle, '--images', set], io)).toBe(0);
    const { manifest } = await readBundle(bundle);
    expect(manifest).toMatchObject({ version: '1.0.1', priors: [meanwhile] });
    expect(manifest.routes.every(({ top1 }) => top1 !== undefined)).toBe(true);
  });

  it('writes nothing where the bundle is another one by then', async () => {
    const path = join(bundle, 'manifest.json');
    const other = sampleFamily();
    other.tensors.get('anchors.b.head.fc.bias')!.data[1]! += 1;
    await writeBundle(join(parent, 'other'), other);
    const text = readFileSync(join(parent, 'other', 'manifest.json'), 'utf8');
    const io = during(() => writeFileSync(path, text));
    expect(await runCli(['evaluate', bundle, '--images', set], io)).toBe(1);
    expect(io.errors.join()).toMatch(/written anew while it was evaluated.*--restart/);
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  it('asks for the folder of the plot before it begins', async () => {
    let began = false;
    const io = during(() => (began = true));
    const plot = join(parent, 'nowhere', 'plot.svg');
    expect(await runCli(['evaluate', bundle, '--images', set, '--plot', plot], io)).toBe(1);
    expect([began, io.errors.join()]).toEqual([false, expect.stringMatching(/^model: .*plot\.svg: its folder is not there\./)]);
    expect(await runCli(['evaluate', bundle, '--images', set, '--plot', parent], io)).toBe(1);
    expect([began, io.errors.at(-1)]).toEqual([false, expect.stringContaining('it is a folder')]);
  });

  it('prints and keeps the results even if the plot cannot be written', async () => {
    const folder = join(parent, 'plots');
    mkdirSync(folder);
    const io = during(() => rmSync(folder, { recursive: true }));
    expect(await runCli(['evaluate', bundle, '--images', set, '--plot', join(folder, 'plot.svg')], io)).toBe(1);
    expect(io.text.join()).toContain('top-1');
    expect(io.errors.join()).toMatch(/^model: .*plot\.svg: its folder is not there/);
    expect((await readBundle(bundle)).manifest.routes[0]).toHaveProperty('top1');
  });

  it('measures only the routes that are named, keeps what is known of the others, and marks the front of all', async () => {
    const io = fakeIo();
    expect(await runCli(['evaluate', bundle, '--images', set], io)).toBe(0);
    const before = (await readBundle(bundle)).document;
    // As if b had been better and its stitched routes worse: only what is measured again changes.
    const path = join(bundle, 'manifest.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace(/("id": "b".*?"top1": )[\d.]+/, '$10.99'));
    const ids = ['a', 'a.0+b.1'];
    const again = fakeIo();
    expect(await runCli(['evaluate', bundle, '--images', set, '--routes', ids.join(), '--json'], again)).toBe(0);
    const printed = JSON.parse(again.text.join('')) as { routes: { id: string }[] };
    expect(printed.routes.map(({ id }) => id)).toEqual(ids);
    const { document } = await readBundle(bundle);
    type Marked = RouteSpec & { readonly pareto?: boolean };
    for (const [index, route] of (document.routes as readonly Marked[]).entries()) {
      const { pareto: _was, ...old } = before.routes[index] as Marked;
      const { pareto, ...now } = route;
      expect(now).toEqual(route.id === 'b' ? { ...old, top1: 0.99 } : old);
      if (route.id === 'b') expect(pareto).toBe(true);
    }
    const wrong = fakeIo();
    expect(await runCli(['evaluate', bundle, '--images', set, '--routes', 'nowhere'], wrong)).toBe(1);
    expect(wrong.errors.join()).toContain('nowhere');
  });
});
