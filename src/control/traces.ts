/** The traces of the plan, T1 to T12: what a device and its user do, as functions of time. T8 needs a real GPU and is none here. */
import type { EnergyMode } from '../core/types';
import { mulberry32 } from './random';
import { UNKNOWN_SIGNALS } from './budget';
import type { ControlEvent, Rung, Signals } from './types';

export interface Trace {
  /** T1…T12. */
  readonly id: string;
  /** What tells it from others of its id. */
  readonly variant?: string;
  readonly seconds: number;
  /** Slowdown of the device at a time, 1 is as profiled. */
  readonly slowdown: (second: number) => number;
  /** What the user allows. */
  readonly budgetMs: (second: number) => number;
  /** Default: balanced. */
  readonly energy?: EnergyMode;
  /** Coefficient of variation of the log-normal noise on latency. */
  readonly cv: number;
  /** Share of frames that take `spikeFactor` times as long. */
  readonly spikes: number;
  readonly spikeFactor: number;
  /** A route that keeps the device busy for less than `below` of the time runs at lower clocks, `factor` times slower. */
  readonly clocks?: { readonly below: number; readonly factor: number };
  /** Which rungs (cheapest first, `all` of them given) can be run; everything by default. */
  readonly present?: (index: number, all: number, second: number) => boolean;
  /** False while no frame can be answered at all: the device is lost or asleep. */
  readonly alive?: (second: number) => boolean;
  readonly signals?: (second: number) => Signals;
  readonly resets?: readonly { readonly second: number; readonly why: Extract<ControlEvent, { type: 'reset' }>['why'] }[];
}

const SPIKE_FACTOR = 5;

function trace(id: string, seconds: number, budgetMs: number, part: Partial<Trace> = {}): Trace {
  return { id, seconds, slowdown: () => 1, budgetMs: () => budgetMs, cv: 0.1, spikes: 0, spikeFactor: SPIKE_FACTOR, ...part };
}

const battery = (level: number, charging: boolean): Signals => ({
  ...UNKNOWN_SIGNALS,
  battery: { known: true, level, charging },
});

export const TRACES = {
  /** Nothing happens but noise. */
  t1: (budgetMs: number, cv: number, seconds = 60): Trace => trace('T1', seconds, budgetMs, { variant: `cv ${cv}`, cv }),
  /** The device is `factor` times slower from 10 s to 25 s. */
  t2: (budgetMs: number, factor: number, cv = 0.05): Trace =>
    trace('T2', 40, budgetMs, {
      variant: `x${factor}`,
      cv,
      slowdown: (second) => (second >= 10 && second < 25 ? factor : 1),
    }),
  /** Slower by `factor` every other half period. */
  t3: (budgetMs: number, periodSeconds: number, factor = 2, cv = 0.05, seconds = 300): Trace =>
    trace('T3', seconds, budgetMs, {
      variant: `${periodSeconds} s`,
      cv,
      slowdown: (second) => ((second / periodSeconds) % 1 >= 0.5 ? factor : 1),
    }),
  /** Throttling: 1 → 1.8 over ten minutes, then slowly back towards 1.2. */
  t4: (budgetMs: number, cv = 0.1, seconds = 1200): Trace =>
    trace('T4', seconds, budgetMs, {
      cv,
      slowdown: (second) => (second < 600 ? 1 + (0.8 * second) / 600 : 1.8 - (0.6 * (second - 600)) / 600),
    }),
  /** Single frames that take five times as long. */
  t5: (budgetMs: number, spikes: number, cv = 0.1, seconds = 300): Trace =>
    trace('T5', seconds, budgetMs, { variant: `${spikes}`, cv, spikes }),
  /** The slider goes from 10 to 200 ms and back, evenly in ratio, once in `periodSeconds`. */
  t6Sweep: (periodSeconds: number, cv = 0.1, seconds = 60): Trace =>
    trace('T6', seconds, 0, {
      variant: `sweep ${periodSeconds} s`,
      cv,
      budgetMs: (second) => 10 * 20 ** (1 - Math.abs(1 - 2 * ((second / periodSeconds) % 1))),
    }),
  /** The budget jumps anywhere in 10…200 ms every `everySeconds`. */
  t6Jumps: (everySeconds: number, seed: number, cv = 0.1, seconds = 60): Trace =>
    trace('T6', seconds, 0, {
      variant: `jumps ${everySeconds} s`,
      cv,
      budgetMs: (second) => 10 * 20 ** mulberry32(seed + Math.floor(second / everySeconds) * 7919)(),
    }),
  /** Clocks follow load: under 30 % busy everything takes 1.6 times as long. Half of the time another program halves the speed. */
  t7: (budgetMs: number, cv = 0.05, seconds = 80): Trace =>
    trace('T7', seconds, budgetMs, {
      cv,
      clocks: { below: 0.3, factor: 1.6 },
      slowdown: (second) => (second % 40 >= 10 && second % 40 < 30 ? 2 : 1),
    }),
  /** Rungs arrive one every second (every other one first), the dearer half is evicted at 40 s and returns at 50 s. */
  t9: (budgetMs: number, cv = 0.1, seconds = 60): Trace =>
    trace('T9', seconds, budgetMs, {
      cv,
      present: (index, all, second) => {
        if (index === 0) return true;
        const order = index % 2 === 0 ? index / 2 : Math.floor(all / 2) + (index + 1) / 2;
        return order <= second && (second < 40 || second >= 50 || index < all / 2);
      },
    }),
  /** Device lost for 2 s, hidden for 15 s, asleep for 30 s; the device is 1.5 times slower until it sleeps. */
  t10: (budgetMs: number, cv = 0.1, seconds = 100): Trace =>
    trace('T10', seconds, budgetMs, {
      cv,
      slowdown: (second) => (second < 75 ? 1.5 : 1),
      alive: (second) => !(second >= 10 && second < 12) && !(second >= 45 && second < 75),
      signals: (second) => ({ ...UNKNOWN_SIGNALS, visible: second < 20 || second >= 35 }),
      resets: [
        { second: 12, why: 'device-lost' },
        { second: 75, why: 'sleep' },
      ],
    }),
  /** The battery drains from 100 to 10 %, is plugged in for a while, and unplugged. */
  t11: (budgetMs: number, cv = 0.1, seconds = 60): Trace =>
    trace('T11', seconds, budgetMs, {
      variant: 'drain',
      cv,
      signals: (second) => {
        const share = second / seconds;
        if (share >= 0.7 && share < 0.85) return battery(0.15, true);
        return battery(Math.round(100 * Math.max(0.1, 1 - 1.3 * share)) / 100, false);
      },
    }),
  /** T11 with a steady plan: saver mode, or a battery that stays at one level. */
  t11Plan: (budgetMs: number, energy: EnergyMode, level?: number, cv = 0.1, seconds = 60): Trace =>
    trace('T11', seconds, budgetMs, {
      variant: level === undefined ? energy : `${energy}, battery ${level}`,
      cv,
      energy,
      ...(level === undefined ? {} : { signals: () => battery(level, false) }),
    }),
  /** A slowdown sampled in time (see {@link parseTrace}); its own jitter is in it, `cv` comes on top. */
  t12: (budgetMs: number, name: string, recorded: RecordedTrace, cv = 0.05): Trace =>
    trace('T12', recorded.seconds, budgetMs, { variant: name, cv, slowdown: recorded.slowdown }),
} as const;

export interface RecordedTrace {
  readonly seconds: number;
  readonly slowdown: (second: number) => number;
}

/** Reads `t_ms,slowdown` lines (`#` starts a comment); a value holds until the next one. Throws with the line on anything else. */
export function parseTrace(csv: string): RecordedTrace {
  const times: number[] = [];
  const values: number[] = [];
  for (const [i, line] of csv.split(/\r?\n/).entries()) {
    const text = line.trim();
    if (text === '' || text.startsWith('#') || text === 't_ms,slowdown') continue;
    const [t, s, ...rest] = text.split(',').map(Number);
    const last = times.at(-1) ?? -Infinity;
    if (
      t === undefined ||
      s === undefined ||
      rest.length > 0 ||
      !Number.isFinite(t) ||
      !(s > 0) ||
      s === Infinity ||
      t < last
    ) {
      throw new Error(
        `Line ${i + 1} of the trace is '${text}': it must be t_ms,slowdown, with times ascending and slowdown > 0.`,
      );
    }
    times.push(t);
    values.push(s);
  }
  const first = times[0];
  const last = times.at(-1);
  if (first === undefined || last === undefined || last <= first)
    throw new Error('The trace needs two lines with different times.');
  const slowdown = (second: number): number => {
    const at = first + 1000 * second;
    let low = 0;
    let high = times.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((times[middle] ?? Infinity) <= at) low = middle;
      else high = middle - 1;
    }
    return values[low] ?? 1;
  };
  return { seconds: (last - first) / 1000, slowdown };
}

/**
 * Models of devices, not recordings. The shapes are what is commonly described (a phone keeps its speed for minutes, then
 * loses a third to a half in steps of its clock table; a laptop loses its boost within seconds and shares the GPU with the
 * desktop; a discrete GPU is steady but shared); the numbers are assumptions.
 */
export const SYNTHETIC: Readonly<Record<string, RecordedTrace>> = {
  'synthetic-phone': {
    seconds: 120,
    slowdown: (second) => {
      const heat = 0.9 * (1 - Math.exp(-Math.max(0, second - 30) / 35));
      return 1 + Math.round(heat / 0.15) * 0.15;
    },
  },
  'synthetic-laptop': {
    seconds: 90,
    slowdown: (second) => {
      const boost = second < 12 ? 1 : 1.25;
      const other = [1, 1, 1.3, 1.1, 1, 1.6, 1, 1.2, 1][Math.floor(second / 10) % 9] ?? 1;
      return boost * other;
    },
  },
  'synthetic-discrete': { seconds: 60, slowdown: (second) => (second >= 25 && second < 40 ? 1.5 : 1) },
};

/** Every trace of the benchmark at one budget. `recorded` come from CSV files and join the synthetic ones in T12. */
export function traceSuite(budgetMs: number, recorded: Readonly<Record<string, RecordedTrace>> = {}): Trace[] {
  return [
    ...[0.05, 0.15, 0.3].map((cv) => TRACES.t1(budgetMs, cv, 30)),
    ...[1.5, 2, 4].map((factor) => TRACES.t2(budgetMs, factor)),
    ...(
      [
        [0.5, 40],
        [2, 40],
        [10, 60],
        [60, 120],
      ] as const
    ).map(([period, seconds]) => TRACES.t3(budgetMs, period, 2, 0.05, seconds)),
    TRACES.t4(budgetMs, 0.1, 720),
    ...[0.01, 0.05].map((share) => TRACES.t5(budgetMs, share, 0.1, 40)),
    ...[5, 20].map((period) => TRACES.t6Sweep(period, 0.1, 30)),
    ...[1, 3].map((every) => TRACES.t6Jumps(every, 77, 0.1, 30)),
    TRACES.t7(budgetMs),
    TRACES.t9(budgetMs),
    TRACES.t10(budgetMs),
    TRACES.t11(budgetMs),
    TRACES.t11Plan(budgetMs, 'saver'),
    TRACES.t11Plan(budgetMs, 'balanced', 0.35),
    ...Object.entries({ ...SYNTHETIC, ...recorded }).map(([name, one]) => TRACES.t12(budgetMs, name, one)),
  ];
}

/** Rungs of `all` (cheapest first) that a trace has at a time. */
export function presentRungs(of: Trace, all: readonly Rung[], second: number): Rung[] {
  return all.filter((_, index) => of.present?.(index, all.length, second) ?? true);
}
