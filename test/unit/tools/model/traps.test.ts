/** Traps of the method (snnet.md section 9) that no other test names: what a stitched route takes from which anchor. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { unitsOf } from '../../../../src/model/units';
import type { FamilyDraft } from '../../../../src/tools/model/family';
import { NodeEngine, startNodeBackend } from '../../../../src/tools/model/node-engine';
import { paretoFront } from '../../../../src/tools/model/pareto';
import { maxAbsError } from '../../../support/close';
import { normals } from '../../stitching/random';
import { sampleFamily } from './sample';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
beforeAll(() => startNodeBackend());

const pixels = Float32Array.from(normals(3 * 64, 99));
const ROUTE = 'a.1+b.2';

async function logits(draft: FamilyDraft, id = ROUTE, finalNorm = true, units?: readonly string[]): Promise<Float32Array> {
  const route = { ...draft.routes.find((one) => one.id === id)!, finalNorm };
  const engine = new NodeEngine(draft, units ?? unitsOf(route), draft.tensors);
  try {
    return await engine.logits(route, pixels, 1);
  } finally {
    engine.dispose();
  }
}

/** The family with every tensor under a prefix changed. */
function changed(prefix: string): FamilyDraft {
  const draft = sampleFamily();
  for (const [name, { data }] of draft.tensors)
    if (name.startsWith(prefix)) for (let i = 0; i < data.length; i += 1) data[i]! += 0.5 * (i % 3);
  return draft;
}

describe('a stitched route', () => {
  it('runs with the front’s embed, the blocks it names, the stitch and the back’s head, and nothing else', async () => {
    const { routes } = sampleFamily();
    expect(unitsOf(routes.find(({ id }) => id === ROUTE)!)).toEqual([
      'anchors.a.embed',
      'anchors.a.blocks.0',
      'anchors.a.blocks.1',
      'stitches.a-b.1',
      'anchors.b.blocks.2',
      'anchors.b.blocks.3',
      'anchors.b.head',
    ]);
  });

  it('takes class token and positions from the front only, the head from the back only', async () => {
    const units = [...new Set(sampleFamily().routes.flatMap((route) => unitsOf(route)))];
    const before = await logits(sampleFamily(), ROUTE, true, units);
    for (const prefix of ['anchors.b.embed', 'anchors.a.head', 'anchors.b.blocks.1', 'anchors.a.blocks.2', 'stitches.a-b.0']) {
      expect(maxAbsError(await logits(changed(prefix), ROUTE, true, units), before), prefix).toBe(0);
    }
    for (const prefix of [
      'anchors.a.embed.cls',
      'anchors.a.embed.pos',
      'anchors.b.head',
      'anchors.b.blocks.2',
      'stitches.a-b.1',
    ]) {
      expect(maxAbsError(await logits(changed(prefix), ROUTE, true, units), before), prefix).toBeGreaterThan(1e-4);
    }
  });

  it('maps the class token too, with a bias, and adds nothing else', async () => {
    const draft = sampleFamily();
    // Back blocks that add nothing leave head(W · class token + b).
    for (const [name, { data }] of draft.tensors) {
      if (/^anchors\.b\.blocks\.\d\.(proj|fc2)\./.test(name) || /^stitches.*weight$/.test(name)) data.fill(0);
    }
    const [bias, weight, offset] = ['stitches.a-b.1.bias', 'anchors.b.head.fc.weight', 'anchors.b.head.fc.bias'].map(
      (name) => draft.tensors.get(name)!.data,
    );
    const expected = Array.from({ length: 3 }, (_, c) =>
      bias!.reduce((sum, value, i) => sum + value * weight![c * 16 + i]!, offset![c]!),
    );
    expect(maxAbsError(await logits(draft, ROUTE, false), expected)).toBeLessThan(1e-5);
  });

  it('obeys the flag of the final norm', async () => {
    const [on, off] = [await logits(sampleFamily()), await logits(sampleFamily(), ROUTE, false)];
    expect(maxAbsError(on, off)).toBeGreaterThan(1e-3);
  });

  it('may enter at or before the front’s last block, and then runs more blocks than an anchor', async () => {
    const { routes } = sampleFamily();
    const blocks = (id: string) =>
      unitsOf(routes.find((route) => route.id === id)!).filter((unit) => unit.includes('.blocks.')).length;
    expect([blocks('a'), blocks('a.0+b.1'), blocks('a.0+b.0'), blocks('a.1+b.0')]).toEqual([4, 4, 5, 6]);
  });
});

describe('the choice of routes', () => {
  it('rests on measured accuracy and on ids, since routes may cost the same and cost does not order accuracy', () => {
    const twins = [
      { id: 'first', macs: 8, top1: 0.5 },
      { id: 'second', macs: 8, top1: 0.6 },
      { id: 'dearer', macs: 9, top1: 0.55 },
    ];
    expect(paretoFront(twins)).toEqual(['second']);
  });
});
