/** Shared beginnings of routes, and that sharing changes no bit of any answer. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { unitsOf } from '../../../../src/model/units';
import { NodeEngine, startNodeBackend } from '../../../../src/tools/model/node-engine';
import { routeTree, type Branch } from '../../../../src/tools/model/route-tree';
import { normals } from '../../stitching/random';
import { sampleFamily } from './sample';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
beforeAll(() => startNodeBackend());

const family = sampleFamily();
const everyStep = (tree: readonly Branch[]): Branch[] => tree.flatMap((branch) => [branch, ...everyStep(branch.next)]);

describe('routeTree', () => {
  it('runs what routes begin with alike once, and ends every route once', () => {
    const all = everyStep(routeTree(family.routes));
    expect(all.flatMap(({ ends }) => ends.map(({ id }) => id)).sort()).toEqual(family.routes.map(({ id }) => id).sort());
    const of = (kind: string, anchor: string) =>
      all.filter(({ step }) => step.kind === kind && 'anchor' in step && step.anchor === anchor);
    // The front's blocks belong to all routes; a back's are its own after every stitch.
    expect([of('embed', 'a').length, of('embed', 'b').length, of('block', 'a').length]).toEqual([1, 1, 4]);
    const tails = family.routes
      .flatMap(({ path }) => path.slice(2))
      .map((span) => ('anchor' in span ? span.to - span.from + 1 : 0));
    const pairs = new Set(
      family.routes.flatMap(({ path: [front, stitch] }) => (stitch ? [JSON.stringify([front, stitch])] : [])),
    );
    expect(all.filter(({ step }) => step.kind === 'stitch')).toHaveLength(pairs.size);
    expect(of('block', 'b')).toHaveLength(4 + tails.reduce((sum, blocks) => sum + blocks, 0));
  });

  it('keeps routes of the same path apart that differ in the final norm, or go on where others end', () => {
    const path = [{ anchor: 'a', from: 0, to: 1 }];
    const routes = [
      { id: 'x', path, finalNorm: true },
      { id: 'y', path, finalNorm: false },
      { id: 'z', path: [{ anchor: 'a', from: 0, to: 2 }], finalNorm: true },
    ];
    const ends = everyStep(routeTree(routes)).map((branch) => branch.ends.map(({ id }) => id));
    expect(ends).toEqual([[], [], ['x', 'y'], ['z']]);
  });
});

describe('logitsOfAll', () => {
  it('gives the very bits of one route at a time, for batches too', async () => {
    const routes = [...family.routes, { ...family.routes.at(-1)!, id: 'raw', finalNorm: false }];
    const engine = new NodeEngine(family, [...new Set(routes.flatMap((route) => unitsOf(route)))], family.tensors);
    const pixels = Float32Array.from(normals(3 * 3 * 64, 5));
    const found = new Map<string, Float32Array>();
    await engine.logitsOfAll(routes, pixels, 3, ({ id }, logits) => void found.set(id, logits));
    expect(found.size).toBe(routes.length);
    for (const route of routes) {
      const alone = await engine.logits(route, pixels, 3);
      expect([...found.get(route.id)!], route.id).toEqual([...alone]);
    }
    engine.dispose();
  });

  it('leaves no tensor behind, not even where the visitor throws', async () => {
    const tf = await import('@tensorflow/tfjs-core');
    const before = tf.memory().numTensors;
    const engine = new NodeEngine(family, [...new Set(family.routes.flatMap((route) => unitsOf(route)))], family.tensors);
    const pixels = Float32Array.from(normals(3 * 64, 5));
    let calls = 0;
    const stop = () => {
      calls += 1;
      if (calls === 5) throw new Error('enough');
    };
    await expect(engine.logitsOfAll(family.routes, pixels, 1, stop)).rejects.toThrow('enough');
    expect(calls).toBe(5);
    engine.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
