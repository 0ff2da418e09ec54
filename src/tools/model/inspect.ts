/** A family in the terminal: its picture, and a table of its routes. */
import type { Manifest } from '../../bundle/manifest';
import { familyParams, routeParams } from '../../model/params';
import { unitsOf } from '../../model/units';
import { paretoFront } from './pareto';

type Cell = string | number | undefined;

/** Rows under headings; columns of numbers are flush right. */
export function textTable(headings: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const texts = rows.map((row) => row.map((cell) => String(cell ?? '')));
  const numeric = headings.map(
    (_, i) => rows.some((row) => row[i] !== undefined) && texts.every((row) => /^[-\d.,]*( [%MGk]?B?)?$/.test(row[i]!)),
  );
  const widths = headings.map((heading, i) => Math.max(heading.length, ...texts.map((row) => row[i]!.length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => (numeric[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  return [headings, ...texts].map(line).join('\n');
}

/** Block pairs between two anchors, read off the routes. */
function pairsBetween({ routes }: Manifest, from: string, to: string): { readonly front: number; readonly back: number }[] {
  return routes.flatMap(({ path }) =>
    path.flatMap((step, index) => {
      const [before, after] = [path[index - 1], path[index + 1]];
      if (!('stitch' in step) || before === undefined || after === undefined) return [];
      if (!('anchor' in before) || !('anchor' in after) || before.anchor !== from || after.anchor !== to) return [];
      return [{ front: before.to, back: after.from }];
    }),
  );
}

/**
 * Anchors as rows of blocks, smallest on top. Between two of them: `│` leaves front block n for back block n, `╲` for n + 1, `╱` for
 * n - 1, `╳` is both of the last two; longer jumps are counted at the end of the line.
 */
export function familyPicture(manifest: Manifest): string {
  const { anchors } = manifest;
  const margin = Math.max(...anchors.map(({ id }) => id.length)) + 2;
  return anchors
    .flatMap(({ id, config }, index) => {
      const blocks = Array.from({ length: config.depth }, () => '■').join('─');
      const row = `${id.padEnd(margin)}▷─${blocks}─▶  width ${config.dim}, ${config.heads} heads, ${config.depth} blocks`;
      const next = anchors[index + 1];
      const pairs = next === undefined ? [] : pairsBetween(manifest, id, next.id);
      if (pairs.length === 0) return [row];
      const has = new Set(pairs.map(({ front, back }) => `${front},${back}`));
      const depth = Math.max(config.depth, next!.config.depth);
      const marks = Array.from({ length: depth }, (_, n) => {
        const [down, up] = [has.has(`${n},${n + 1}`), has.has(`${n + 1},${n}`)];
        return (has.has(`${n},${n}`) ? '│' : ' ') + (down && up ? '╳' : down ? '╲' : up ? '╱' : ' ');
      }).join('');
      const far = [...has].filter((pair) => Math.abs(Number(pair.split(',')[0]) - Number(pair.split(',')[1])) > 1).length;
      return [row, `${' '.repeat(margin + 2)}${marks}${far > 0 ? `  and ${far} longer` : ''}`];
    })
    .join('\n');
}

/** Bytes of the shards that hold a route's units: what must have arrived before it runs. */
export function downloadBytes({ shards }: Manifest, route: Manifest['routes'][number]): number {
  const units = new Set(unitsOf(route));
  return shards.filter((shard) => shard.units.some((unit) => units.has(unit))).reduce((sum, { bytes }) => sum + bytes, 0);
}

const percent = (share: number | undefined): string | undefined =>
  share === undefined ? undefined : `${(share * 100).toFixed(2)} %`;
export const mega = (value: number): string => (value / 1e6).toFixed(2);

/** One object a route, for the table and for `--json`. */
export function routeRows(manifest: Manifest) {
  const front = new Set(paretoFront(manifest.routes));
  return manifest.routes.map((route) => ({
    id: route.id,
    macs: route.macs,
    params: routeParams(manifest, route.path),
    bytes: downloadBytes(manifest, route),
    finalNorm: route.finalNorm,
    ...(route.top1 === undefined ? {} : { top1: route.top1 }),
    ...(route.top5 === undefined ? {} : { top5: route.top5 }),
    ...(route.loss === undefined ? {} : { loss: route.loss }),
    pareto: front.has(route.id),
  }));
}

/** Everything `inspect` prints. */
export function describeFamily(manifest: Manifest): string {
  const { name, version, anchors, stitches, routes, shards, input, classes } = manifest;
  const bytes = shards.reduce((sum, shard) => sum + shard.bytes, 0);
  const rows = [...routeRows(manifest)].sort((a, b) => a.macs - b.macs);
  const head = `${name} ${version}: ${anchors.length} anchors, ${stitches.length} stitches, ${routes.length} routes, ${classes} classes, ${input.size} × ${input.size} pixels`;
  const size = `${mega(familyParams(manifest))} M parameters, ${mega(bytes)} MB in ${shards.length} shards`;
  const table = textTable(
    ['route', 'MMACs', 'M params', 'MB', 'top-1', 'top-5', 'loss', 'norm', 'Pareto'],
    rows.map((row) => [
      row.id,
      mega(row.macs),
      mega(row.params),
      mega(row.bytes),
      percent(row.top1),
      percent(row.top5),
      row.loss?.toFixed(3),
      row.finalNorm ? 'yes' : 'no',
      row.pareto ? '★' : '',
    ]),
  );
  return [head, size, '', familyPicture(manifest), '', table].join('\n');
}
