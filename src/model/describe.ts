/** Routes and anchors in words and as the plain data that leaves the worker. */
import type { AnchorSpec, RouteSpec } from '../bundle/manifest';
import type { AnchorInfo, RouteInfo, RoutePath } from '../core/types';

/** A route in one line, blocks inclusive: `w64 0–3 → w128 4–11`. The arrows are the stitches. */
export function routeLabel({ path }: { readonly path: RoutePath }): string {
  return path
    .filter((step) => 'anchor' in step)
    .map(({ anchor, from, to }) => `${anchor} ${from === to ? from : `${from}–${to}`}`)
    .join(' → ');
}

export function toRouteInfo({ id, path, macs, top1, top5 }: RouteSpec): RouteInfo {
  return { id, path, macs, ...(top1 === undefined ? {} : { top1 }), ...(top5 === undefined ? {} : { top5 }) };
}

export function toAnchorInfo({ id, name, config }: AnchorSpec): AnchorInfo {
  return { id, name, dim: config.dim, depth: config.depth };
}
