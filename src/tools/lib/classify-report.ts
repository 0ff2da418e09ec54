/** What `npm run classify` prints: lines for people, one document for programs. */
import type { Classification } from '../../index';
import type { Failure, Loaded } from '../page/protocol';

/** One photo's outcome, in the order of the command line. */
export type Outcome = { readonly file: string } & ({ readonly answer: Classification } | { readonly error: Failure });

const COLUMNS = ['photo', 'label', 'probability', 'route', 'executor', 'ms'] as const;
/** Columns of numbers, set flush right. */
const NUMBERS: ReadonlySet<string> = new Set(['probability', 'ms']);

/** Classified photos as a table; '' where there is none. */
export function table(outcomes: readonly Outcome[]): string {
  const rows = outcomes.flatMap((one) => {
    if ('error' in one) return [];
    const { top, route, executor, timing } = one.answer;
    const share = top[0] === undefined ? '' : `${(top[0].probability * 100).toFixed(1)} %`;
    return [[one.file, top[0]?.label ?? '', share, route, executor, timing.totalMs.toFixed(1)]];
  });
  if (rows.length === 0) return '';
  const all = [[...COLUMNS], ...rows];
  const widths = COLUMNS.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => (NUMBERS.has(COLUMNS[i] ?? '') ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd();
  return all.map(line).join('\n');
}

/** The same for programs: every photo in order, failed ones with their error; `engine` is absent where none was needed. */
export function jsonDocument(outcomes: readonly Outcome[], engine: Loaded | undefined): string {
  const results = outcomes.map((one) => {
    if ('error' in one) return one;
    const { top, route, executor, timing } = one.answer;
    return {
      file: one.file,
      label: top[0]?.label,
      probability: top[0]?.probability,
      route,
      executor,
      ms: timing.totalMs,
      ...(timing.gpuMs === undefined ? {} : { gpuMs: timing.gpuMs }),
      top,
    };
  });
  const about = engine && {
    bundle: engine.bundle,
    executor: engine.executor,
    reason: engine.reason,
    ...(engine.adapter === undefined ? {} : { adapter: engine.adapter }),
    budgetMs: engine.latencyMs,
  };
  return JSON.stringify({ ...about, results }, undefined, 2);
}
