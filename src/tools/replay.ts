/** `npm run replay -- trace.jsonl`: runs a recorded controller again, and says whether it decides the same to the bit. */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import process from 'node:process';
import { Command } from 'commander';
import { explain } from '../control/explain';
import { replay, type Replay } from '../control/replay';
import { slowdownCsv } from '../control/slowdown-csv';

interface Options {
  readonly csv?: string | true;
  readonly comment: readonly string[];
  readonly quiet: boolean;
}

const program = new Command('replay')
  .description('Replays a trace of Runtime.record(). Exit code 1 where it decides differently, 2 where the file is no trace.')
  .argument('<trace>', 'JSON lines, as Runtime.record() makes them')
  .option('--csv [file]', 'write the slowdown of the device over time, for the simulator (test/fixtures/traces)')
  .option('--comment <text>', 'a line of comment on top of the CSV; repeatable', (text, all: string[]) => [...all, text], [])
  .option('--quiet', 'print only whether it is the same', false)
  .parse();

function read(file: string): Replay {
  try {
    return replay(readFileSync(file, 'utf8').split('\n'));
  } catch (error) {
    console.error(`${file}: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(2);
  }
}

/** True where it is the same. */
function report({ decisions, recorded, events, differsAt }: Replay, quiet: boolean, began: number): boolean {
  const at = (now: number): string => `${((now - began) / 1000).toFixed(2).padStart(8)} s`;
  if (!quiet) for (const decision of decisions) console.log(`${at(decision.now)}  ${explain(decision)}`);
  if (recorded.length === 0) {
    console.log(`${events.length} events, ${decisions.length} decisions; the trace holds none to compare them with.`);
    return true;
  }
  if (differsAt === undefined) {
    console.log(`${events.length} events, ${decisions.length} decisions: the same as recorded, bit for bit.`);
    return true;
  }
  console.log(`Decision ${differsAt + 1} of ${Math.max(decisions.length, recorded.length)} differs:`);
  console.log(`  recorded: ${JSON.stringify(recorded[differsAt]) ?? 'none'}`);
  console.log(`  replayed: ${JSON.stringify(decisions[differsAt]) ?? 'none'}`);
  return false;
}

const [file = ''] = program.args;
const { csv, comment, quiet } = program.opts<Options>();
const replayed = read(file);
if (!report(replayed, quiet, replayed.header.start.now)) process.exitCode = 1;
if (csv !== undefined) {
  const target = csv === true ? `${file.replace(/\.jsonl$/, '')}.csv` : csv;
  writeFileSync(target, slowdownCsv(replayed, comment.length > 0 ? comment : [`from ${basename(file)}`]));
  console.log(`Slowdown over time: ${target}`);
}
