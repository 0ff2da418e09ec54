/** Which routes no cheaper one beats. */

export interface Rated {
  readonly id: string;
  readonly macs: number;
  readonly top1?: number;
}

/**
 * Ids of the Pareto front, cheapest first: every route with a measured accuracy above that of all cheaper ones. Of equally
 * expensive ones the best counts, of equal ones the first.
 */
export function paretoFront(routes: readonly Rated[]): string[] {
  const rated = routes.filter(({ top1 }) => top1 !== undefined);
  const order = [...rated].sort((a, b) => a.macs - b.macs || b.top1! - a.top1!);
  let best = -Infinity;
  const front: string[] = [];
  for (const { id, top1 } of order) {
    if (top1! <= best) continue;
    best = top1!;
    front.push(id);
  }
  return front;
}

/** The routes with `pareto: true` on those of the front, and on no others; other fields stay. */
export function withFront<Route extends Rated>(
  routes: readonly Route[],
): (Omit<Route, 'pareto'> & { readonly pareto?: true })[] {
  const front = new Set(paretoFront(routes));
  return routes.map((route) => {
    const { pareto: _old, ...rest } = route as Route & { readonly pareto?: unknown };
    return front.has(route.id) ? { ...rest, pareto: true } : rest;
  });
}
