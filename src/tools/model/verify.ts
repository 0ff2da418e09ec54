/** Re-hashes a bundle and runs its check vectors on the reference executor. */
import { referenceLogits, type CheckOptions } from './check-vectors';
import type { ReadFamily } from './read-bundle';

export interface VerifyReport {
  readonly tolerance: number;
  /** Largest absolute logit difference by route; Infinity where a logit is not a number. */
  readonly routes: readonly { readonly id: string; readonly maxAbsError: number }[];
  readonly passed: boolean;
  /** Who computed the vectors: this project's own executor, or whoever made the bundle. */
  readonly source: 'reference' | 'original';
}

/** The hashes were checked when the bundle was read. Errors: aborted. */
export async function verifyFamily({ draft }: ReadFamily, options: CheckOptions = {}): Promise<VerifyReport> {
  const { image, batch, routes, logits, tolerance, source } = draft.check!;
  const found = await referenceLogits(draft, routes, image, batch, options);
  const row = batch * draft.classes;
  const errors = routes.map((id, index) => {
    let maxAbsError = 0;
    for (let i = index * row; i < (index + 1) * row; i += 1) {
      const error = Math.abs(found[i]! - logits[i]!);
      maxAbsError = Math.max(maxAbsError, Number.isNaN(error) ? Infinity : error);
    }
    return { id, maxAbsError };
  });
  const passed = errors.every(({ maxAbsError }) => maxAbsError <= tolerance);
  return { tolerance, routes: errors, passed, source: source === 'reference' ? 'reference' : 'original' };
}
