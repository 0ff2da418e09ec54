/** The command `replay` as a person runs it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { createController } from '../../../src/control/controller';
import { headerOf } from '../../../src/control/replay';
import { parseTrace } from '../../../src/control/traces';
import type { ControlEvent } from '../../../src/control/types';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const FOLDER = mkdtempSync(join(tmpdir(), 'running-stitch-replay-'));
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

const RUNGS = [
  { id: 'small', costMs: 5, accuracy: 0.6 },
  { id: 'large', costMs: 15, accuracy: 0.8 },
];

/** A trace of 20 s in which the device is three times slower from 8 s on. */
function trace(change: (line: string) => string = (line) => line): string {
  const start = { rungs: RUNGS, budget: { latencyMs: 33, energy: 'balanced' }, now: 100 } as const;
  const controller = createController(start);
  const lines = [headerOf(start), { type: 'decision', decision: controller.first }].map((line) => JSON.stringify(line));
  for (let i = 1; i <= 600; i++) {
    const costMs = RUNGS.find(({ id }) => id === controller.route)?.costMs ?? 0;
    const latencyMs = costMs * (i > 240 ? 3 : 1) * (1 + 0.02 * Math.sin(i));
    const event: ControlEvent = { type: 'sample', now: 100 + i * 33, route: controller.route, latencyMs };
    const decision = controller.dispatch(event);
    lines.push(JSON.stringify(event));
    if (decision) lines.push(change(JSON.stringify({ type: 'decision', decision })));
  }
  return lines.join('\n');
}

function run(text: string, ...args: string[]) {
  const file = join(FOLDER, 'trace.jsonl');
  writeFileSync(file, text);
  const tsx = join(ROOT, 'node_modules/tsx/dist/cli.mjs');
  return spawnSync(process.execPath, [tsx, join(ROOT, 'src/tools/replay.ts'), file, ...args], { encoding: 'utf8' });
}

describe('replay', () => {
  test('says that a trace decides the same, and what', { timeout: 60_000 }, () => {
    const { status, stdout } = run(trace());
    expect(status).toBe(0);
    expect(stdout).toMatch(/down from large to small/);
    expect(stdout).toMatch(/600 events, \d decisions: the same as recorded, bit for bit/);
  });

  test('a decision that differs in the last digit is an error, with both versions', { timeout: 60_000 }, () => {
    const { status, stdout } = run(
      trace((line) => line.replace('"duty":1', '"duty":0.9999999999999999')),
      '--quiet',
    );
    expect(status).toBe(1);
    expect(stdout).toMatch(/Decision 2 of \d differs/);
    expect(stdout).toMatch(/recorded: .*\n.*replayed: /);
    expect(stdout).not.toMatch(/down from large/);
  });

  test('writes the slowdown as a trace for the simulator', { timeout: 60_000 }, () => {
    const file = join(FOLDER, 'out.csv');
    const { status } = run(trace(), '--quiet', '--csv', file, '--comment', 'made for a test');
    expect(status).toBe(0);
    const csv = readFileSync(file, 'utf8');
    expect(csv).toMatch(/^# made for a test\nt_ms,slowdown\n0,/);
    const read = parseTrace(csv);
    expect(read.seconds).toBeCloseTo(19.8, 0);
    expect(read.slowdown(15) / read.slowdown(3)).toBeCloseTo(3, 0);
  });

  test('what is no trace ends with 2 and names the line', { timeout: 60_000 }, () => {
    const { status, stderr } = run('{"type":"sample"}\n');
    expect(status).toBe(2);
    expect(stderr).toMatch(/trace\.jsonl: Line 1 /);
  });
});
