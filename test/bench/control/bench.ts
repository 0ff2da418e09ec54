/** `npm run bench:control`: the controller over all traces, ladders, budgets and seeds, against oracle, baselines and gates. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { createController } from '../../../src/control/controller';
import { evaluate } from '../../../src/control/evaluate';
import type { Evaluation } from '../../../src/control/evaluate';
import { GATES, MOST_MS_PER_DECISION, judge } from '../../../src/control/gates';
import type { Verdict } from '../../../src/control/gates';
import { meanMetrics } from '../../../src/control/metrics';
import { planOf } from '../../../src/control/oracle';
import { briefing, fly, layOut, noiseFor } from '../../../src/control/simulate';
import { parseTrace, traceSuite } from '../../../src/control/traces';
import type { RecordedTrace, Trace } from '../../../src/control/traces';
import { LADDER_NAMES, ladder } from './ladders';
import type { LadderName } from './ladders';
import { plot } from './plot';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const RECORDED = join(ROOT, 'test/fixtures/traces');
const PLOTS = join(ROOT, 'docs/control');
const BUDGETS = [16, 33, 100] as const;

interface Options {
  readonly seeds: string;
  readonly gate: boolean;
  readonly plots: boolean;
  readonly cells?: string;
}

interface Cell {
  readonly ladder: LadderName;
  readonly budgetMs: number;
  readonly rows: readonly (readonly string[])[];
  readonly verdicts: readonly Verdict[];
  readonly scores: Evaluation['scores'];
}

const options = new Command('bench:control')
  .description('Scores the controller in simulation; exit code 1 when a gate is missed.')
  .option('--seeds <n>', 'runs of every trace', '20')
  .option('--no-gate', 'exit code 0 whatever the gates say')
  .option('--no-plots', 'leave docs/control as it is')
  .option('--cells <ladder@budget,…>', 'only these, as JSON')
  .parse()
  .opts<Options>();

function recordedTraces(): Record<string, RecordedTrace> {
  let names: string[] = [];
  try {
    names = readdirSync(RECORDED).filter((name) => name.endsWith('.csv'));
  } catch {
    // No trace was recorded yet.
  }
  return Object.fromEntries(
    names.sort().map((name) => [basename(name, '.csv'), parseTrace(readFileSync(join(RECORDED, name), 'utf8'))]),
  );
}

const figure = (value: number, digits = 2): string => (Number.isNaN(value) ? '-' : (value + 0).toFixed(digits));

function cellOf(name: LadderName, budgetMs: number): Cell {
  const evaluation = evaluate(ladder(name), traceSuite(budgetMs, recordedTraces()), Number(options.seeds));
  const ids = [...new Set(evaluation.ours.map(({ trace }) => trace.id))];
  const rows = ids.map((id) => {
    const of = (results: Evaluation['ours']) => meanMetrics(results.filter((r) => r.trace.id === id).map((r) => r.metrics));
    const ours = of(evaluation.ours);
    const oracle = of(evaluation.oracle);
    return [
      `${name} ${budgetMs} ms`,
      id,
      figure(ours.violations),
      figure(ours.hopeless),
      figure(ours.p95),
      figure(ours.p99),
      figure(ours.accuracy),
      figure(ours.regret),
      figure(ours.switches, 1),
      figure(oracle.switches, 1),
      figure(ours.reversals),
      figure(ours.recoverDown, 1),
      figure(ours.recoverUp, 1),
      figure(ours.busy, 1),
    ];
  });
  return { ladder: name, budgetMs, rows, verdicts: judge(evaluation), scores: evaluation.scores };
}

const table = (heads: readonly string[], rows: readonly (readonly string[])[]): string =>
  [heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/** Mean processor time of a decision, ms, on a long ladder. */
function decisionMs(): number {
  const course = layOut(traceSuite(16).find(({ id }) => id === 'T4') as Trace, ladder('deit'));
  const noise = noiseFor(course.trace, course.ticks, 0);
  fly(course, noise, createController(briefing(course)));
  // Processor time, so that another program's work is not counted as ours.
  const began = process.cpuUsage();
  const { count } = fly(course, noise, createController(briefing(course)));
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1000 / count;
}

function draw(): void {
  mkdirSync(PLOTS, { recursive: true });
  for (const trace of traceSuite(33, recordedTraces())) {
    const name = [trace.id, trace.variant ?? ''].join(' ').trim();
    const course = layOut(trace, ladder('swin'));
    const run = fly(course, noiseFor(trace, course.ticks, 0), createController(briefing(course)));
    const file = `${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}.svg`;
    writeFileSync(
      join(PLOTS, file),
      plot(run, planOf(course), `${name}: Swin ladder, budget ${trace.id === 'T6' ? '10-200' : '33'} ms`),
    );
  }
}

/**
 * As many processes as there are processors share the cells; more would spend their time on starting and warming up. The last one has
 * the fewest, and draws the plots.
 */
async function allCells(): Promise<Cell[]> {
  const names = LADDER_NAMES.flatMap((name) => BUDGETS.map((budgetMs) => `${name}@${budgetMs}`));
  const count = Math.min(Math.max(2, availableParallelism()), names.length);
  const shares = Array.from({ length: count }, (_, share) => names.filter((__, i) => i % count === share));
  const answers = await Promise.all(
    shares.map((share, index) => {
      const plots = options.plots && index === count - 1 ? [] : ['--no-plots'];
      const own = ['--cells', share.join(','), '--seeds', options.seeds, ...plots];
      const args = [...process.execArgv, fileURLToPath(import.meta.url), ...own];
      return new Promise<Cell[]>((resolve, reject) => {
        execFile(process.execPath, args, { maxBuffer: 1e8 }, (error, stdout) =>
          error ? reject(error) : resolve(JSON.parse(stdout) as Cell[]),
        );
      });
    }),
  );
  const cells = new Map(answers.flat().map((cell) => [`${cell.ladder}@${cell.budgetMs}`, cell]));
  return names.flatMap((name) => cells.get(name) ?? []);
}

function report(cells: readonly Cell[], ms: number): number {
  const heads = [
    'ladder',
    'trace',
    'violations %',
    'hopeless %',
    'p95',
    'p99',
    'accuracy',
    'regret',
    'switches/min',
    "oracle's",
  ];
  const more = ['reversals/min', 'down, frames', 'up, s', 'busy s/min'];
  console.log(table([...heads, ...more], cells.flatMap(({ rows }) => rows))); // prettier-ignore
  const scores = cells.flatMap(({ ladder: name, budgetMs, scores: all }) =>
    all.map(({ lambda, mu, ours, oracle, rivals }) => {
      const [best, score] = Object.entries(rivals).reduce((a, b) => (b[1] > a[1] ? b : a));
      return [
        `${name} ${budgetMs} ms`,
        `${lambda}`,
        `${mu}`,
        figure(ours),
        figure(oracle),
        best,
        figure(score),
        figure(ours - score),
      ];
    }),
  );
  console.log(`\n${table(['ladder', 'λ', 'μ', 'ours', 'oracle', 'best baseline', 'its score', 'ahead by'], scores)}\n`);
  const missed = cells.flatMap(({ ladder: name, budgetMs, verdicts }) =>
    verdicts
      .filter(({ passed }) => !passed)
      .map((v) => [`${name} ${budgetMs} ms`, v.gate, v.trace, figure(v.value, 3), figure(v.most)]),
  );
  if (ms > MOST_MS_PER_DECISION) missed.push(['all', 'ms a decision', 'T4', figure(ms, 4), figure(MOST_MS_PER_DECISION)]);
  const judged = cells.reduce((sum, { verdicts }) => sum + verdicts.length, 1);
  console.log(
    `${figure(ms * 1000, 1)} µs a decision. ${judged - missed.length} of ${judged} gates kept (${GATES.length} kinds).`,
  );
  if (missed.length) console.log(`\nMissed:\n\n${table(['ladder', 'gate', 'trace', 'value', 'most'], missed)}`);
  return missed.length;
}

if (options.cells === undefined) {
  const began = performance.now();
  const ms = decisionMs();
  const cells = await allCells();
  const missed = report(cells, ms);
  console.log(
    `\n${options.seeds} seeds, ${figure((performance.now() - began) / 1000, 1)} s. T8 needs a real GPU and is not here.`,
  );
  if (options.gate && missed > 0) process.exitCode = 1;
} else {
  const cells = options.cells.split(',').map((cell) => {
    const [name = '', budgetMs = ''] = cell.split('@');
    return cellOf(name as LadderName, Number(budgetMs));
  });
  if (options.plots) draw();
  process.stdout.write(JSON.stringify(cells));
}
