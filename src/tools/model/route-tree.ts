/** Routes joined where they begin alike, so that what several of them compute is computed once. */
import type { RouteSpec } from '../../bundle/manifest';

/** What a step of the tree does with the tokens that reach it; an embedding is where they come from. */
export type Step =
  | { readonly kind: 'embed'; readonly anchor: string }
  | { readonly kind: 'block'; readonly anchor: string; readonly index: number }
  | { readonly kind: 'stitch'; readonly id: string };

export type TreeRoute = Pick<RouteSpec, 'id' | 'path' | 'finalNorm'>;

export interface Branch<Route extends TreeRoute = TreeRoute> {
  readonly step: Step;
  /** Routes that end after this step: only their heads are left. */
  readonly ends: readonly Route[];
  readonly next: readonly Branch<Route>[];
}

/** A route's steps in running order, all but the head. */
export function stepsOf({ path }: Pick<RouteSpec, 'path'>): readonly Step[] {
  return path.flatMap((part, index): readonly Step[] => {
    if ('stitch' in part) return [{ kind: 'stitch', id: part.stitch }];
    const { anchor, from, to } = part;
    const blocks = Array.from({ length: to - from + 1 }, (_, n): Step => ({ kind: 'block', anchor, index: from + n }));
    return index === 0 ? [{ kind: 'embed', anchor }, ...blocks] : blocks;
  });
}

/** The forest of all routes: one tree an embedding. Every route stands in exactly one `ends`. */
export function routeTree<Route extends TreeRoute>(routes: readonly Route[]): readonly Branch<Route>[] {
  return branches(
    routes.map((route) => ({ route, steps: stepsOf(route) })),
    0,
  );
}

function branches<Route extends TreeRoute>(
  routes: readonly { readonly route: Route; readonly steps: readonly Step[] }[],
  depth: number,
): readonly Branch<Route>[] {
  const groups = new Map<string, (typeof routes)[number][]>();
  for (const one of routes) {
    const key = JSON.stringify(one.steps[depth]);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()].map((group) => {
    const done = group.filter(({ steps }) => steps.length === depth + 1);
    const rest = group.filter(({ steps }) => steps.length > depth + 1);
    return { step: group[0]!.steps[depth]!, ends: done.map(({ route }) => route), next: branches(rest, depth + 1) };
  });
}
