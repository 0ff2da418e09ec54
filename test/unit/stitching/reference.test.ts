/**
 * The whole fit against the official code's, from images to logits. The calibration images are too large to be committed: the test
 * runs where SNNET_REFERENCE names the folder of the reference network (the same variable as in training/), else it is skipped;
 * fit.test.ts holds one of its stitches.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { env } from 'node:process';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import type { Manifest } from '../../../src/bundle/manifest';
import { parseSafetensors, tensorToF32, type TensorView } from '../../../src/bundle/safetensors';
import { enumerateRoutes } from '../../../src/model/stitching';
import { startBackend } from '../../../src/reference/backends';
import { forward } from '../../../src/reference/vit';
import { WeightStore } from '../../../src/reference/weights';
import { ActivationRunner } from '../../../src/stitching/activations';
import { fitStitches } from '../../../src/stitching/fit';
import { maxAbsError } from '../../support/close';
import { distance } from './random';

const folder = env['SNNET_REFERENCE'] ?? '';
const anchors = [16, 32, 48].map((dim, index) => ({
  id: `t${index}`,
  name: `width ${dim}`,
  config: { dim, depth: 4, heads: dim / 8, mlp: 4 * dim, patch: 16, eps: 1e-6 },
}));
const input = { size: 48, crop: 1, filter: 'bilinear', mean: [0, 0, 0], std: [1, 1, 1] } as const;

function read(name: string) {
  return parseSafetensors(new Uint8Array(readFileSync(join(folder, `${name}.safetensors`))), name);
}

/** The official names in the bundle's words. */
function renamed(state: ReadonlyMap<string, TensorView>): Map<string, TensorView> {
  const out = new Map<string, TensorView>();
  for (const [name, view] of state) {
    const [, anchor, rest = ''] = /^anchors\.(\d)\.(.*)$/.exec(name) ?? [];
    if (anchor === undefined) continue;
    const own = rest
      .replace(/^patch_embed\.proj/, 'embed.proj')
      .replace(/^cls_token$/, 'embed.cls')
      .replace(/^pos_embed$/, 'embed.pos')
      .replace(/\.(attn|mlp)\./, '.')
      .replace(/^norm\./, 'head.norm.')
      .replace(/^head\.(weight|bias)$/, 'head.fc.$1');
    const shape = own === 'embed.cls' ? view.shape.slice(2) : own === 'embed.pos' ? view.shape.slice(1) : view.shape;
    out.set(`anchors.t${anchor}.${own}`, { ...view, shape });
  }
  return out;
}

describe.skipIf(folder === '')('the reference network', () => {
  it('gets the official stitches and, with them, the official logits on all 23 routes', { timeout: 120_000 }, async () => {
    await startBackend('cpu');
    const space = enumerateRoutes(
      anchors.map(({ id }) => ({ id, depth: 4 })),
      { kernel: 2, stride: 1 },
    );
    const tensors = renamed(read('state_dict'));
    const stitches = space.stitches.map(({ id, from, to }) => ({ id, from, to }));
    const manifest = { input, classes: 7, anchors, stitches } as unknown as Manifest;
    const official = read('ls_init');
    const calib = tensorToF32(official.get('calib')!);
    const runner = new ActivationRunner(manifest, tensors, space.stitches);
    const length = 3 * 48 * 48;
    async function* batches() {
      for (let from = 0; from < 64; from += 16) {
        yield await runner.run({ pixels: calib.slice(from * length, (from + 16) * length), count: 16 });
      }
    }
    const fitted = await fitStitches({ stitches: space.stitches, dims: runner.dims, batches });
    runner.dispose();
    for (const { id, weight, bias } of fitted.stitches) {
      const [, from = '', layer = ''] = /^t(\d)-t\d\.(\d+)$/.exec(id) ?? [];
      const key = `stitch_layers.${from}.${layer}.transform`;
      // The official solver works in f32.
      expect(distance(weight, tensorToF32(official.get(`${key}.weight`)!)), id).toBeLessThan(1e-4);
      const { to } = space.stitches.find((stitch) => stitch.id === id)!;
      const dims = [to, `t${from}`].map((anchor) => anchors.find((a) => a.id === anchor)!.config.dim);
      const bytes = (data: Float32Array<ArrayBuffer>) => new Uint8Array(data.buffer);
      tensors.set(`stitches.${id}.weight`, { dtype: 'F32', shape: dims, data: bytes(weight) });
      tensors.set(`stitches.${id}.bias`, { dtype: 'F32', shape: [dims[0]!], data: bytes(bias) });
    }
    const weights = new WeightStore(manifest);
    const units = new Set(
      [...tensors.keys()].map((name) => /^(stitches\..*|anchors\.t\d\.(?:embed|head|blocks\.\d))\./.exec(name)![1]!),
    );
    weights.add([...units], tensors);
    const x = tensorToF32(read('input').get('x')!);
    const expected = tensorToF32(official.get('logits_after_ls')!);
    for (const [row, route] of space.routes.entries()) {
      const spec = { ...route, finalNorm: route.path.length === 1, macs: 0 };
      const logits = tf.tidy(() => forward(manifest, weights, spec, tf.tensor4d(x, [2, 3, 48, 48])).dataSync());
      expect(maxAbsError(logits, expected.slice(row * 14, (row + 1) * 14)), route.id).toBeLessThan(2e-3);
    }
    weights.dispose();
  });
});
