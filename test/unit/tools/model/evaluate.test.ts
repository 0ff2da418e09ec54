/** Evaluation on a made-up labelled set whose right answers are what one route says. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
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

  it('does not mix the progress of other weights or images into this', async () => {
    const family = await readBundle(bundle);
    await evaluateBundle(family, await options());
    const fewer = await options({ chunk: 3 });
    await expectError(() => evaluateBundle(family, fewer), 'argument-invalid', '--restart');
    const results = await evaluateBundle(family, { ...fewer, restart: true });
    expect(results.find(({ id }) => id === 'b')).toMatchObject({ top1: 0.75 });
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
