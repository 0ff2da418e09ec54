/** Routes that a command line names. */
import { StitchError } from '../../core/errors';

/**
 * The routes with these ids, in the bundle's order; all of them where nothing, or `all`, is named.
 * Errors: route-unknown, with the remedy.
 */
export function namedRoutes<Route extends { readonly id: string }>(
  { routes }: { readonly routes: readonly Route[] },
  named: readonly string[] | undefined,
): readonly Route[] {
  const unknown = named?.find((id) => id !== 'all' && !routes.some((route) => route.id === id));
  if (unknown !== undefined) {
    const remedy = 'Take ids that `inspect` lists, with commas between them, or all.';
    throw new StitchError('route-unknown', `The bundle has no route "${unknown}". ${remedy}`, { route: unknown });
  }
  return named === undefined || named.includes('all') ? routes : routes.filter(({ id }) => named.includes(id));
}
