import { beforeAll, describe, expect, it } from 'vitest';
import { validateManifest } from '../../../src/bundle/validate';
import { StitchError } from '../../../src/core/errors';
import { unitsOf } from '../../../src/model/units';
import { expectError } from './expect-error';
import { makeBundle, seeded, type MemoryBundle } from './make-bundle';

const URL = 'https://example.org/m/manifest.json';
const REMOVE = Symbol('remove the field');
const HEX = 'a'.repeat(64);

type Json = Record<string | number, unknown>;

/** Follows `a[0].b` in parsed JSON and replaces what is there. */
function setAt(json: unknown, path: string, value: unknown): void {
  const keys = path.split(/[.[\]]+/).filter((key) => key !== '');
  const last = keys.pop()!;
  const parent = keys.reduce((node, key) => (node as Json)[key], json) as Json;
  if (value === REMOVE) delete parent[last];
  else parent[last] = value;
}

let bundle: MemoryBundle;
const fresh = () => JSON.parse(JSON.stringify(bundle.manifest)) as unknown;

beforeAll(async () => {
  bundle = await makeBundle();
});

describe('validateManifest', () => {
  it('returns the same data', () => {
    expect(validateManifest(fresh(), URL)).toEqual(bundle.manifest);
  });

  it('keeps optional measurements and drops unknown fields', () => {
    const json = fresh() as Json;
    json['future'] = { anything: [1] };
    setAt(json, 'routes[0].top1', 0.5);
    setAt(json, 'routes[0].top5', 1);
    setAt(json, 'routes[0].loss', 2.5);
    setAt(json, 'anchors[0].config.future', 1);
    const manifest = validateManifest(json, URL);
    expect(manifest.routes[0]).toMatchObject({ top1: 0.5, top5: 1, loss: 2.5 });
    expect('future' in manifest || 'future' in manifest.anchors[0]!.config).toBe(false);
  });

  it('agrees with the model on the names of units', () => {
    const { routes, shards } = validateManifest(fresh(), URL);
    const held = new Set(shards.flatMap(({ units }) => units));
    for (const route of routes) for (const unit of unitsOf(route)) expect(held).toContain(unit);
  });

  it('takes SN-Netv2 routes of two stitches', () => {
    const json = fresh() as Json;
    setAt(json, 'routes[3].path', [
      { anchor: 'w8', from: 0, to: 0 },
      { stitch: 'w8-w16.0' },
      { anchor: 'w16', from: 1, to: 1 },
      { stitch: 'w16-w24.1' },
      { anchor: 'w24', from: 2, to: 2 },
    ]);
    expect(validateManifest(json, URL).routes[3]?.path).toHaveLength(5);
  });

  // Field to change, its new value, and the path that the message must name where it is not the field itself.
  it.each<[path: string, value: unknown, named?: string]>([
    ['format', 'running-stitch/2'],
    ['format', REMOVE],
    ['name', ''],
    ['name', 7],
    ['version', REMOVE],
    ['license', null],
    ['license', 'x'.repeat(5000)],
    ['sources', 'one'],
    ['sources[0]', 1],
    ['family', 'swin'],
    ['input', []],
    ['input.size', 8.5],
    ['input.size', 1e9],
    ['input.size', 0],
    ['input.crop', 0],
    ['input.crop', 1.01],
    ['input.filter', 'nearest'],
    ['input.mean', [0, 0]],
    ['input.mean[1]', '0.5'],
    ['input.mean[1]', null],
    ['input.std[2]', 0],
    ['classes', 0],
    ['classes', 1e9],
    ['labels', REMOVE],
    ['labels.file', '../labels.json'],
    ['labels.file', '/labels.json'],
    ['labels.file', 'https://evil.example/labels.json'],
    ['labels.file', 'a/./b.json'],
    ['labels.file', 'a\\b.json'],
    ['labels.file', '%2e%2e/b.json'],
    ['labels.file', 'labels.json?x'],
    ['labels.bytes', -1],
    ['labels.bytes', 1e12],
    ['labels.bytes', '12'],
    ['labels.sha256', 'A'.repeat(64)],
    ['labels.sha256', HEX.slice(1)],
    ['anchors', []],
    ['anchors', {}],
    ['anchors', Array.from({ length: 17 }, () => ({}))],
    ['anchors[1]', null],
    ['anchors[1].id', 'w8'],
    ['anchors[1].id', 'w.16'],
    ['anchors[1].id', ''],
    ['anchors[0].id', '__proto__'],
    ['anchors[0].name', ''],
    ['anchors[0].config', REMOVE],
    ['anchors[0].config.dim', 10],
    ['anchors[0].config.dim', 1e7],
    ['anchors[0].config.dim', Infinity],
    ['anchors[0].config.heads', 3],
    ['anchors[0].config.heads', 4],
    ['anchors[0].config.mlp', 30],
    ['anchors[0].config.patch', 3],
    ['anchors[0].config.depth', 0],
    ['anchors[0].config.depth', 1e6],
    ['anchors[0].config.eps', 0],
    ['anchors[0].config.eps', 'small'],
    ['anchors[1].config.patch', 8, 'stitches[0].to'],
    ['stitches[0].id', 'a b'],
    ['stitches[1].id', 'w8-w16.0'],
    ['stitches[0].from', 'w9'],
    ['stitches[0].to', 'w8'],
    ['stitches[0].to', 'w24', 'routes[3].path[1].stitch'],
    ['routes', []],
    ['routes[1].id', 'w8'],
    ['routes[1].id', '<b>'],
    ['routes[3].path', []],
    ['routes[3].path', [{ anchor: 'w8', from: 0, to: 1 }, { stitch: 'w8-w16.0' }]],
    ['routes[3].path[0]', { stitch: 'w8-w16.0' }, 'routes[3].path[0].anchor'],
    ['routes[3].path[1]', { anchor: 'w8', from: 0, to: 1 }, 'routes[3].path[1].stitch'],
    ['routes[3].path[0].anchor', 'w9'],
    ['routes[3].path[0].anchor', 'w16', 'routes[3].path[1].stitch'],
    ['routes[3].path[0].to', 3],
    ['routes[3].path[0].from', -1],
    ['routes[0].path[0].from', 1.5],
    ['routes[0].path[0].to', '2'],
    ['routes[3].path[2].from', 2.0001],
    ['routes[3].path[1].stitch', 'w8-w16.9'],
    ['routes[3].path[1].stitch', 'w16-w24.0'],
    ['routes[0].finalNorm', 'yes'],
    ['routes[0].macs', 0],
    ['routes[0].macs', NaN],
    ['routes[0].top1', 25.12],
    ['routes[0].top1', null],
    ['routes[0].top5', -0.1],
    ['routes[0].loss', -1],
    ['shards', []],
    ['shards[0].file', 'w8/../../x'],
    ['shards[1].file', 'w8.embed.safetensors'],
    ['shards[1].file', 'labels.json'],
    ['shards[0].bytes', 0],
    ['shards[0].sha256', REMOVE],
    ['shards[0].units', []],
    ['shards[0].units[0]', 5],
    ['shards[0].units[0]', 'anchors.w9.embed'],
    ['shards[1].units[0]', 'anchors.w8.blocks.3'],
    ['shards[1].units[0]', 'anchors.w8.embed'],
    ['shards[0].units[0]', 'anchors.w8.blocks.00'],
    ['check', REMOVE],
    ['check.routes', []],
    ['check.routes[1]', 'w99'],
    ['check.tolerance', 0],
    ['check.tolerance', '0.005'],
    ['check.file', 'labels.json'],
    ['check.sha256', `${HEX.slice(1)}g`],
  ])('%s = %j', async (path, value, named) => {
    const json = fresh();
    setAt(json, path, value);
    const error = await expectError(() => validateManifest(json, URL), 'bundle-invalid', URL);
    expect(error.detail['path']).toBe(named ?? path);
    // Where, what, and a remedy of its own sentence.
    expect(error.message).toContain(`Manifest ${URL}: ${named ?? path} `);
    expect(error.message).toMatch(/\. .+\.$/);
    expect(error.message.length).toBeLessThan(400);
  });

  it('names the step that needs a unit which no shard holds', async () => {
    const json = fresh() as { shards: { units: string[] }[] };
    const held = json.shards[1]!.units;
    held.splice(held.indexOf('anchors.w8.blocks.1'), 1);
    const text = /routes\[0\]\.path\[0\] needs "anchors\.w8\.blocks\.1"/;
    await expectError(() => validateManifest(json, URL), 'bundle-invalid', text, 'Add the unit to a shard');
  });

  it('refuses a span that runs backwards', async () => {
    const json = fresh();
    setAt(json, 'routes[0].path[0]', { anchor: 'w8', from: 2, to: 1 });
    await expectError(() => validateManifest(json, URL), 'bundle-invalid', 'routes[0].path[0].from is 2, after to, 1');
  });

  it.each([[null], [undefined], [[]], ['text'], [5]])('refuses %j as a document', async (json) => {
    await expectError(() => validateManifest(json, URL), 'bundle-invalid', 'the document');
  });

  it('bounds what a hostile manifest can cost and says the bound', async () => {
    const json = fresh();
    setAt(
      json,
      'routes',
      Array.from({ length: 100_000 }, () => 0),
    );
    const started = performance.now();
    await expectError(() => validateManifest(json, URL), 'bundle-invalid', 'has 100000 entries', /at most 8192/);
    setAt(json, 'routes', [{ id: 'x'.repeat(10_000_000) }]);
    await expectError(() => validateManifest(json, URL), 'bundle-invalid', 'routes[0].id');
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it('throws nothing but StitchError for 5,000 mutations, and what passes is whole', () => {
    const random = seeded(20260);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
    const odd: unknown[] = [null, true, -1, 0, 0.5, 1e308, '', 'w8', '__proto__', 'constructor', [], {}, [[]], 'w8-w16.0'];
    const text = JSON.stringify(bundle.manifest);
    let refused = 0;
    for (let round = 0; round < 5000; round++) {
      const json = JSON.parse(text) as unknown;
      for (let times = 1 + Math.floor(random() * 2); times > 0; times--) {
        // A random walk down the tree, then a replaced, removed, doubled or swapped child.
        let node = json as Json;
        for (let depth = Math.floor(random() * 5); depth > 0; depth--) {
          const next = node[pick(Object.keys(node)) ?? ''];
          if (typeof next !== 'object' || next === null || Object.keys(next).length === 0) break;
          node = next as Json;
        }
        const key = pick(Object.keys(node));
        const action = random();
        if (action < 0.6) node[key] = pick(odd);
        else if (action < 0.8) delete node[key];
        else if (Array.isArray(node)) node.push(node[Number(key)]);
        else node[key] = node[pick(Object.keys(node))];
      }
      try {
        const manifest = validateManifest(json, URL);
        for (const route of manifest.routes) unitsOf(route);
      } catch (error) {
        if (!(error instanceof StitchError) || error.code !== 'bundle-invalid') throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(4000);
  }, 60_000);
});
