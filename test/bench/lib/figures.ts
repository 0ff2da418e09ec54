/** From samples to the figures of a table. */

/** Nearest rank: the smallest value that at least a share `q` of all does not exceed. NaN without values. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** Rows with the same keys as a Markdown table. */
export function markdownTable(rows: readonly Readonly<Record<string, string | number>>[]): string {
  const heads = Object.keys(rows[0] ?? {});
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [line(heads), line(heads.map(() => '---')), ...rows.map((row) => line(Object.values(row)))].join('\n');
}

export interface LinearFit {
  /** Of the constant 1, then of each column. 0 for a column that the ones before it already explain. */
  readonly coefficients: readonly number[];
  /** Share of the variance of `y` that the fit explains; NaN where `y` does not vary. */
  readonly r2: number;
}

/** Least squares of `y` [n] on a constant and `columns` (each [n]), by Gram-Schmidt: no product of badly scaled columns. */
export function linearFit(y: readonly number[], columns: readonly (readonly number[])[]): LinearFit {
  const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
  const less = (a: readonly number[], factor: number, b: readonly number[]) =>
    a.map((value, i) => value - factor * (b[i] ?? 0));
  const all = [y.map(() => 1), ...columns];
  const basis: { readonly vector: readonly number[]; readonly shares: readonly number[] }[] = [];
  let rest: readonly number[] = y;
  const heights: number[] = [];
  for (const column of all) {
    let vector: readonly number[] = column;
    const shares: number[] = [];
    for (const { vector: earlier } of basis) {
      const length = dot(earlier, earlier);
      const share = length === 0 ? 0 : dot(vector, earlier) / length;
      shares.push(share);
      vector = less(vector, share, earlier);
    }
    // What is left of a column that the others span is rounding.
    if (dot(vector, vector) < 1e-18 * dot(column, column)) vector = column.map(() => 0);
    const length = dot(vector, vector);
    const height = length === 0 ? 0 : dot(rest, vector) / length;
    rest = less(rest, height, vector);
    heights.push(height);
    basis.push({ vector, shares });
  }
  // Back from the orthogonal vectors to the columns: vector_i = column_i − Σ shares · vector_j.
  const coefficients = [...heights];
  for (let i = all.length - 1; i >= 0; i -= 1) {
    for (const [j, share] of (basis[i]?.shares ?? []).entries())
      coefficients[j] = (coefficients[j] ?? 0) - share * (coefficients[i] ?? 0);
  }
  const mean = y.reduce((sum, value) => sum + value, 0) / y.length;
  const spread = y.map((value) => value - mean);
  return { coefficients, r2: 1 - dot(rest, rest) / dot(spread, spread) };
}
