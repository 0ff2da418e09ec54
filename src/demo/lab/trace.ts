/** A recorded trace, replayed: what was decided, when, and whether it comes out the same again. Pure. */
import { replay } from '../../control/index';
import { explainDecision } from '../../index';
import type { Decision, Rung } from '../../index';
import { type BudgetScript, type BudgetStep, scriptOfTrace } from './script';

/** Times count from the start of the trace. */
export interface TraceFrame {
  readonly atMs: number;
  readonly latencyMs: number;
}

export interface TraceDecision {
  readonly atMs: number;
  readonly from: string;
  readonly to: string;
  readonly targetMs: number;
  readonly text: string;
}

export interface Playback {
  readonly durationMs: number;
  readonly frames: readonly TraceFrame[];
  /** What held when the recording began. */
  readonly start: { readonly route: string; readonly targetMs: number };
  /** As the replay makes them. */
  readonly decisions: readonly TraceDecision[];
  /** Every rung that was on the ladder at some time, cheapest first. */
  readonly rungs: readonly Rung[];
  /** How many decisions the trace itself holds. */
  readonly recorded: number;
  /** Index of the first decision that is not the recorded one; undefined when all are, or none was recorded. */
  readonly differsAt: number | undefined;
  /** The budgets that were set meanwhile; undefined where the slider never moved. */
  readonly script: BudgetScript | undefined;
}

/** Throws `argument-invalid`, with the line, on a text that is no trace. */
export function playBack(text: string): Playback {
  const { header, events, decisions, recorded, differsAt } = replay(text.split('\n'));
  // A recording that began in the middle goes on from the state it found.
  const { now: origin, rungs: first, budget } = header.state ?? header.start;
  const since = (now: number) => now - origin;
  const frames = events.flatMap((event) =>
    event.type === 'sample' && Number.isFinite(event.latencyMs) ? [{ atMs: since(event.now), latencyMs: event.latencyMs }] : [],
  );
  const moves: readonly BudgetStep[] = events.flatMap((event) =>
    event.type === 'budget' ? [{ atMs: since(event.now), latencyMs: event.budget.latencyMs }] : [],
  );
  const ladders = [first, ...events.flatMap((event) => (event.type === 'ladder' ? [event.rungs] : []))];
  const rungs = new Map(ladders.flat().map((rung) => [rung.id, rung]));
  const times = [...events, ...decisions].map(({ now }) => since(now)).filter(Number.isFinite);
  const durationMs = times.reduce((most, time) => Math.max(most, time), 1);
  return {
    durationMs,
    start: {
      route: header.state?.current ?? decisions[0]?.to ?? '',
      targetMs: header.state?.target.targetMs ?? decisions[0]?.targetMs ?? budget.latencyMs,
    },
    frames,
    decisions: decisions.map((decision) => told(decision, origin)),
    rungs: [...rungs.values()].sort((a, b) => a.costMs - b.costMs),
    recorded: recorded.length,
    differsAt,
    script: scriptOfTrace([{ atMs: 0, latencyMs: budget.latencyMs }, ...moves], durationMs),
  };
}

/** The verdict as a sentence. */
export function verdict({ decisions, recorded, differsAt }: Playback): string {
  const count = `${decisions.length} decision${decisions.length === 1 ? '' : 's'}`;
  if (recorded === 0) return `${count} replayed; the trace holds none to compare them with.`;
  if (differsAt === undefined) return `${count} replayed, each identical to the recorded one, to the bit.`;
  return `The replay differs: decision ${differsAt + 1} is not the recorded one (${count} replayed, ${recorded} recorded).`;
}

function told(decision: Decision, start: number): TraceDecision {
  const { now, from, to, targetMs } = decision;
  return { atMs: now - start, from, to, targetMs, text: explainDecision(decision) };
}
