/** The three ladders of the benchmark. Latency is proportional to published cost; the constants are fixed here. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildLadder } from '../../../src/control/ladder';
import type { Rung } from '../../../src/control/types';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/**
 * Cost of the cheapest route, ms. With it every budget of the benchmark (16, 33, 100 ms) can be kept by some route while the
 * device is twice as slow, and the smallest budget leaves out most of the ladder. DeiT then spans 5-73 ms, Swin 7-24 ms.
 */
const CHEAPEST_MS = { deit: 5, swin: 7, photos: 6 } as const;

export type LadderName = keyof typeof CHEAPEST_MS;
export const LADDER_NAMES = Object.keys(CHEAPEST_MS) as LadderName[];

interface Route {
  readonly id: string;
  readonly macs: number;
  readonly top1: number;
}

function published(name: 'deit' | 'swin'): Route[] {
  const text = readFileSync(join(ROOT, `test/fixtures/published/${name}_stitch_configs.json`), 'utf8');
  const { configs } = JSON.parse(text) as { configs: { id: number; flops: number; top1: number }[] };
  return configs.map(({ id, flops, top1 }) => ({ id: `${name}-${id}`, macs: flops, top1: top1 / 100 }));
}

function bundle(): Route[] {
  const text = readFileSync(join(ROOT, 'public/models/photos/manifest.json'), 'utf8');
  return (JSON.parse(text) as { routes: Route[] }).routes;
}

export function ladder(name: LadderName): Rung[] {
  const routes = name === 'photos' ? bundle() : published(name);
  const least = Math.min(...routes.map(({ macs }) => macs));
  const costs = new Map(routes.map(({ id, macs }) => [id, (CHEAPEST_MS[name] * macs) / least]));
  return buildLadder(
    routes.map(({ id, macs, top1 }) => ({ id, macs, top1, path: [] })),
    costs,
  );
}
