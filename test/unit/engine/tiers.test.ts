import { beforeAll, describe, expect, it } from 'vitest';
import type { Manifest, ShardSpec } from '../../../src/bundle/manifest';
import { firstShards, planTiers, tiersOf, tiersUpTo } from '../../../src/engine/tiers';
import { unitsOf } from '../../../src/model/units';
import { makeBundle } from '../bundle/make-bundle';

let manifest: Manifest;
beforeAll(async () => ({ manifest } = await makeBundle()));
const sum = (shards: readonly ShardSpec[]) => shards.reduce((total, { bytes }) => total + bytes, 0);
const names = (shards: readonly ShardSpec[]) => shards.map(({ file }) => file);

describe('tiersOf', () => {
  it('cuts the download by anchors, in order, every shard once', () => {
    const tiers = tiersOf(manifest);
    expect(tiers.map(({ anchor }) => anchor)).toEqual(['w8', 'w16', 'w24']);
    expect(names(tiers.flatMap(({ shards }) => shards))).toEqual(names(manifest.shards));
    for (const { anchor, shards } of tiers) {
      for (const unit of shards.flatMap(({ units }) => units)) {
        const stitch = manifest.stitches.find(({ id }) => `stitches.${id}` === unit);
        expect(stitch?.to ?? unit.split('.')[1], unit).toBe(anchor);
      }
    }
  });

  it('puts a shard that two anchors share with the larger one', () => {
    const [first, second, ...rest] = manifest.shards;
    const mixed = { ...first!, units: [...first!.units, 'anchors.w24.head'] };
    const tiers = tiersOf({ ...manifest, shards: [mixed, second!, ...rest] });
    expect(names(tiers[2]!.shards)).toContain(mixed.file);
    expect(names(tiers[0]!.shards)).not.toContain(mixed.file);
  });
});

describe('planTiers', () => {
  const plan = (limits: Parameters<typeof planTiers>[1], bytesInMemory = 1) =>
    planTiers(tiersOf(manifest), limits, ({ bytes }) => bytes * bytesInMemory).map(({ planned, limit }) => limit ?? planned);

  it('plans everything where nothing speaks against it, with its bytes', () => {
    expect(plan({})).toEqual([true, true, true]);
    const tiers = tiersOf(manifest);
    expect(planTiers(tiers, {}, ({ bytes }) => bytes).map(({ bytes }) => bytes)).toEqual(
      tiers.map(({ shards }) => sum(shards)),
    );
  });

  it.each<[why: string, limits: Parameters<typeof planTiers>[1], expected: unknown[]]>([
    ['the host', { maxAnchor: 'w16' }, [true, true, 'asked']],
    ['the host, at the least', { maxAnchor: 'w8' }, [true, 'asked', 'asked']],
    ['the user', { saveData: true }, [true, 'save-data', 'save-data']],
    ['the host for metered links', { saveData: true, meteredAnchor: 'w16' }, [true, true, 'save-data']],
    ['the host for metered links, at the most', { saveData: true, meteredAnchor: 'w24' }, [true, true, true]],
    ['nobody, on another link', { meteredAnchor: 'w8' }, [true, true, true]],
    ['a crash', { crashedAt: 'w24' }, [true, true, 'crash']],
    ['a crash with the smallest, below which there is nothing', { crashedAt: 'w8' }, [true, 'crash', 'crash']],
    ['a crash with an anchor that is gone', { crashedAt: 'w99' }, [true, true, true]],
    ['no memory at all', { memoryBytes: 0 }, [true, 'memory', 'memory']],
    ['several at once', { maxAnchor: 'w16', saveData: true }, [true, 'save-data', 'asked']],
  ])('stops where %s says so', (_, limits, expected) => {
    expect(plan(limits)).toEqual(expected);
  });

  it('counts the memory of everything before, too', () => {
    const [one, two] = tiersOf(manifest).map(({ shards }) => sum(shards)) as [number, number];
    expect(plan({ memoryBytes: one + two })).toEqual([true, true, 'memory']);
    expect(plan({ memoryBytes: one + two - 1 })).toEqual([true, 'memory', 'memory']);
    expect(plan({ memoryBytes: one + two }, 2)).toEqual([true, 'memory', 'memory']);
  });

  it('names the anchors where the host asks for none of them', () => {
    expect(() => plan({ maxAnchor: 'w9' })).toThrow(/no anchor "w9".*w8, w16, w24/);
    expect(() => plan({ meteredAnchor: 'w9' })).toThrow(/no anchor "w9".*w8, w16, w24/);
    expect(() => tiersUpTo(tiersOf(manifest), 'w9')).toThrow(/no anchor "w9"/);
  });
});

describe('firstShards', () => {
  const unitsIn = (shards: readonly ShardSpec[]) => new Set(shards.flatMap(({ units }) => units));
  const runnable = (shards: readonly ShardSpec[]) =>
    manifest.routes.flatMap((route) => (unitsOf(route).every((unit) => unitsIn(shards).has(unit)) ? [route.id] : []));

  it('ends with the first route that has known answers', () => {
    const first = firstShards(manifest, tiersOf(manifest), undefined);
    expect(runnable(first)).toEqual(['w8']);
    expect(names(first)).toEqual(names(manifest.shards.slice(0, first.length)));
    expect(runnable(first.slice(0, -1))).toEqual([]);
  });

  it('brings the route to resume, and no more than that needs', () => {
    const first = firstShards(manifest, tiersOf(manifest), 'w24');
    expect(runnable(first)).toEqual(expect.arrayContaining(['w8', 'w24']));
    expect([...unitsIn(first)].filter((unit) => unit.includes('w16'))).toEqual([]);
    expect(firstShards(manifest, tiersOf(manifest), 'gone')).toEqual(firstShards(manifest, tiersOf(manifest), undefined));
  });
});
