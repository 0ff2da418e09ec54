export interface TestCounts {
  passed: number;
  failed: number;
  skipped: number;
}
interface Report {
  testResults: { status: string; assertionResults: { status: string }[] }[];
}
export function countTests(path: string): TestCounts | undefined;
export function countReport(report: Report): TestCounts;
