/** Counts of a vitest JSON report. */
import { readFileSync } from 'node:fs';

/**
 * Tests passed, failed and skipped, or undefined without a readable report.
 * A file that failed outside of its tests (it did not load, a hook threw) counts as one failure.
 */
export function countTests(path) {
  try {
    return countReport(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return undefined;
  }
}

export function countReport(report) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const file of report.testResults) {
    const tests = file.assertionResults;
    for (const { status } of tests) counts[status === 'passed' || status === 'failed' ? status : 'skipped']++;
    if (file.status === 'failed' && !tests.some(({ status }) => status === 'failed')) counts.failed++;
  }
  return counts;
}
