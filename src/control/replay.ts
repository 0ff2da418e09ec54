/** A recorded controller, run again: the same events give the same decisions, to the bit. Pure. */
import { StitchError } from '../core/errors';
import { createController, resumeController } from './controller';
import type { ControlState, StartOptions } from './state';
import { TUNING_VERSION } from './tuning';
import type { ControlEvent, Decision } from './types';

/** First line of a trace. */
export interface TraceHeader {
  readonly type: 'header';
  readonly format: 'running-stitch-trace/1';
  /** {@link TUNING_VERSION} of the controller that was recorded. */
  readonly tuning: number;
  readonly start: StartOptions;
  /** Where the recording began in the middle: the state to go on from, which is not that of a start. */
  readonly state?: ControlState;
}

/** Every further line: an event, or a decision that was made then. */
export type TraceLine = TraceHeader | ControlEvent | { readonly type: 'decision'; readonly decision: Decision };

export interface Replay {
  readonly header: TraceHeader;
  readonly events: readonly ControlEvent[];
  readonly decisions: readonly Decision[];
  /** Decisions in the trace; empty where only events were recorded. */
  readonly recorded: readonly Decision[];
  /** Index of the first decision that is not the recorded one, to the bit; undefined when all are, or none was recorded. */
  readonly differsAt: number | undefined;
}

/** For a recording that begins with the controller, or in the middle with its state. */
export function headerOf(start: StartOptions, state?: ControlState): TraceHeader {
  return { type: 'header', format: 'running-stitch-trace/1', tuning: TUNING_VERSION, start, ...(state ? { state } : {}) };
}

/** Throws `argument-invalid`, with the line, on a trace that cannot be read or was made under another tuning. */
export function replay(lines: Iterable<string>): Replay {
  let header: TraceHeader | undefined;
  let controller: ReturnType<typeof createController> | undefined;
  const decisions: Decision[] = [];
  const recorded: Decision[] = [];
  const events: ControlEvent[] = [];
  let number = 0;
  for (const line of lines) {
    number++;
    if (line.trim() === '') continue;
    const entry = parse(line, number);
    if (!controller) {
      header = asHeader(entry, number);
      const { state, start } = header;
      controller = taken(number, () => (state ? resumeController(state) : createController(start)));
      decisions.push(controller.first);
    } else if (entry.type === 'decision') {
      recorded.push(entry.decision);
    } else if (entry.type === 'header') {
      throw broken(number, 'a second header');
    } else {
      events.push(entry);
      const pilot = controller;
      const decision = taken(number, () => pilot.dispatch(entry));
      if (decision) decisions.push(decision);
    }
  }
  if (!header) throw broken(number + 1, 'no header');
  return { header, events, decisions, recorded, differsAt: firstDifference(decisions, recorded) };
}

/** What the controller makes of a line that is JSON of a known type, but may lack or hold anything. */
function taken<T>(number: number, take: () => T): T {
  try {
    return take();
  } catch (error) {
    throw broken(number, `no event that can be taken: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const KINDS: ReadonlySet<string> = new Set([
  'header',
  'decision',
  'sample',
  'signals',
  'page',
  'budget',
  'mode',
  'ladder',
  'reset',
]);

function parse(line: string, number: number): TraceLine {
  let entry: unknown;
  try {
    entry = JSON.parse(line);
  } catch {
    throw broken(number, 'no JSON');
  }
  const type = typeof entry === 'object' && entry !== null && 'type' in entry ? entry.type : undefined;
  if (typeof type !== 'string' || !KINDS.has(type)) throw broken(number, `of the unknown type '${String(type)}'`);
  return entry as TraceLine;
}

function asHeader(entry: TraceLine, number: number): TraceHeader {
  if (entry.type !== 'header' || entry.format !== 'running-stitch-trace/1')
    throw broken(number, 'no header of running-stitch-trace/1');
  if (entry.tuning !== TUNING_VERSION) {
    throw broken(
      number,
      `from tuning ${entry.tuning}, and this is tuning ${TUNING_VERSION}: replay it with the version that made it`,
    );
  }
  return entry;
}

function broken(line: number, what: string): StitchError {
  return new StitchError('argument-invalid', `Line ${line} of the trace is ${what}.`, { argument: 'trace', line });
}

/** JSON compares numbers to the bit: it prints the shortest text that reads back as the same double. */
function firstDifference(decisions: readonly Decision[], recorded: readonly Decision[]): number | undefined {
  if (recorded.length === 0) return undefined;
  const length = Math.max(decisions.length, recorded.length);
  for (let i = 0; i < length; i++) if (JSON.stringify(sorted(decisions[i])) !== JSON.stringify(sorted(recorded[i]))) return i;
  return undefined;
}

/** The order of keys is no part of a decision. */
function sorted(decision: Decision | undefined): unknown {
  return decision && Object.entries(decision).sort(([a], [b]) => (a < b ? -1 : 1));
}
