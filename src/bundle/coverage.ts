/** The checks of a manifest that cross its lists: units against shards, files against each other. */
import { show, type FieldReader } from './fields';
import type { FileRef, Manifest } from './manifest';

// The same names as in model/units.ts, which this layer must not import.
const embedUnit = (anchor: string): string => `anchors.${anchor}.embed`;
const blockUnit = (anchor: string, block: number): string => `anchors.${anchor}.blocks.${block}`;
const headUnit = (anchor: string): string => `anchors.${anchor}.head`;
const stitchUnit = (stitch: string): string => `stitches.${stitch}`;

const MAX_TOTAL_BYTES = 2 ** 33;

/** Every unit a route needs is in a shard, and no unit is in two. */
export function checkUnits(read: FieldReader, { anchors, stitches, routes, shards }: Manifest): void {
  const known = new Set(stitches.map(({ id }) => stitchUnit(id)));
  for (const { id, config } of anchors) {
    known.add(embedUnit(id)).add(headUnit(id));
    for (let block = 0; block < config.depth; block++) known.add(blockUnit(id, block));
  }
  const home = new Map<string, string>();
  for (const [s, { units }] of shards.entries()) {
    for (const [u, unit] of units.entries()) {
      const path = `shards[${s}].units[${u}]`;
      if (!known.has(unit))
        read.fail(path, `is ${show(unit)}, which no anchor or stitch has`, 'Use units of this bundle only.');
      const first = home.get(unit);
      if (first !== undefined) read.fail(path, `repeats ${show(unit)} of ${first}`, 'Put every unit in exactly one shard.');
      home.set(unit, path);
    }
  }
  const need = (unit: string, path: string) => {
    if (!home.has(unit))
      read.fail(path, `needs ${show(unit)}, which no shard holds`, 'Add the unit to a shard or drop the route.');
  };
  for (const [r, { path }] of routes.entries()) {
    for (const [p, step] of path.entries()) {
      const at = `routes[${r}].path[${p}]`;
      if ('stitch' in step) {
        need(stitchUnit(step.stitch), at);
        continue;
      }
      if (p === 0) need(embedUnit(step.anchor), at);
      for (let block = step.from; block <= step.to; block++) need(blockUnit(step.anchor, block), at);
      if (p === path.length - 1) need(headUnit(step.anchor), at);
    }
  }
}

/** Every file has its own name, and the sizes add up to something a browser can hold. */
export function checkFiles(read: FieldReader, { labels, shards, check }: Manifest): void {
  const seen = new Set<string>();
  let total = 0;
  const add = ({ file, bytes }: FileRef, path: string) => {
    if (seen.has(file)) read.fail(`${path}.file`, `repeats ${show(file)}`, 'Give every part of the bundle its own file.');
    seen.add(file);
    total += bytes;
    if (total > MAX_TOTAL_BYTES)
      read.fail(`${path}.bytes`, `brings the bundle to ${total} bytes`, `The limit is ${MAX_TOTAL_BYTES}.`);
  };
  add(labels, 'labels');
  for (const [index, shard] of shards.entries()) add(shard, `shards[${index}]`);
  add(check, 'check');
}
