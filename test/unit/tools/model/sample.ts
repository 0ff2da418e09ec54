/** A small family of random numbers, temporary folders, and a stand-in for the process. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { tensorsOf, unitsOfAnchor } from '../../../../src/model/units';
import type { Io } from '../../../../src/tools/model/commands';
import type { FamilyDraft } from '../../../../src/tools/model/family';
import { stitchingSpace } from '../../../../src/tools/model/space';
import { normals } from '../../stitching/random';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder that is removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'running-stitch-'));
  folders.push(folder);
  return folder;
}

/** Anchors `a` (8 wide) and `b` (16 wide) of `depth` blocks, 8 × 8 pixels, 3 classes; stitched unless `plain`. */
export function sampleFamily({ depth = 4, plain = false } = {}): FamilyDraft {
  const anchors = [8, 16].map((dim, index) => ({
    id: 'ab'[index]!,
    name: `Random width ${dim}`,
    config: { dim, depth, heads: dim / 8, mlp: 2 * dim, patch: 4, eps: 1e-6 },
  }));
  const space = stitchingSpace(anchors, { kernel: 2, stride: 1 });
  const stitches = plain ? [] : space.stitches.map(({ id, from, to }) => ({ id, from, to }));
  const routes = space.routes.filter(({ path }) => !plain || path.length === 1).map((route) => ({ ...route, finalNorm: true }));
  const input = { size: 8, crop: 1, filter: 'bilinear', mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] } as const;
  const family = { input, classes: 3, anchors, stitches };
  const units = [...anchors.flatMap((anchor) => unitsOfAnchor(anchor)), ...stitches.map(({ id }) => `stitches.${id}`)];
  const tensors = new Map(
    units
      .flatMap((unit) => tensorsOf(family, unit))
      .map(({ name, shape }, index) => {
        const count = shape.reduce((product, size) => product * size, 1);
        const data = Float32Array.from(normals(count, index + 1), (value) => value * (name.includes('norm') ? 0.1 : 0.3));
        return [name, { shape, data }];
      }),
  );
  const labels = ['red', 'green, mostly', 'blue'];
  return { name: 'sample', version: '1.0.0', license: 'none', sources: ['random'], ...family, labels, routes, tensors };
}

export interface FakeIo extends Io {
  readonly text: string[];
  readonly errors: string[];
  readonly stop: AbortController;
}

export function fakeIo(): FakeIo {
  const stop = new AbortController();
  const text: string[] = [];
  const errors: string[] = [];
  return {
    text,
    errors,
    stop,
    out: (line) => void text.push(line),
    err: (line) => void errors.push(line),
    progress: { update: () => {}, end: () => {} },
    signal: stop.signal,
  };
}
