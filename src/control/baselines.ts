/** Simple pilots to be measured against. Each is given what the controller is given: events, and the target after battery. */
import { UNKNOWN_SIGNALS, targetFor } from './budget';
import { sortRungs } from './ladder';
import type { Pilot } from './simulate';
import type { StartOptions } from './state';
import type { ControlEvent, Rung } from './types';

/** Constants of the baselines: the usual ones of their kind, not tuned against us or for us. */
const AIMD = { addShare: 0.01, multiply: 0.7 };
/** drei's PerformanceMonitor: 10 windows of 250 ms, a step of 0.1 when more than three quarters of them agree. */
const FPS_BAND = { windowMs: 250, windows: 10, agree: 0.75, step: 0.1, start: 0.5, above: 1.25 };

type Baseline = (options: StartOptions) => Pilot;

/** Shared book-keeping; `react` returns the index to use after a sample of the rung in use. */
function pilot(
  options: StartOptions,
  react: (state: Situation, latencyMs: number, now: number) => number,
  first: (state: Situation) => number,
  follow: (state: Situation) => number,
): Pilot {
  const state: Situation = { rungs: sortRungs(options.rungs), targetMs: 0, at: 0 };
  let budget = options.budget;
  let signals = options.signals ?? UNKNOWN_SIGNALS;
  const retarget = (): void => {
    state.targetMs = targetFor(budget, signals).targetMs;
  };
  const go = (index: number): void => {
    state.at = Math.min(Math.max(0, index), state.rungs.length - 1);
  };
  retarget();
  go(first(state));
  return {
    duty: 1,
    get route() {
      return state.rungs[state.at]?.id ?? '';
    },
    dispatch(event: ControlEvent) {
      if (event.type === 'sample') {
        if (event.route === state.rungs[state.at]?.id) go(react(state, event.latencyMs, event.now));
        return undefined;
      }
      if (event.type === 'budget') budget = event.budget;
      if (event.type === 'signals') signals = event.signals;
      if (event.type === 'ladder') {
        const cost = state.rungs[state.at]?.costMs ?? 0;
        state.rungs = sortRungs(event.rungs);
        go(within(state.rungs, cost));
      }
      retarget();
      go(follow(state));
      return undefined;
    },
  };
}

interface Situation {
  rungs: readonly Rung[];
  targetMs: number;
  at: number;
}

/** The dearest rung of at most this cost; the cheapest when there is none. */
function within(rungs: readonly Rung[], costMs: number): number {
  let index = 0;
  while (index + 1 < rungs.length && (rungs[index + 1]?.costMs ?? Infinity) <= costMs) index++;
  return index;
}

/** One rung for ever; while it is absent, the dearest present one below it. */
export const fixed =
  (costMs: number): Baseline =>
  (options) => {
    const choose = ({ rungs }: Situation): number => within(rungs, costMs);
    return pilot(options, choose, choose, choose);
  };

/** Believes the last frame, with no margin, no filter and no dwell. */
export const greedy: Baseline = (options) => {
  let slowdown = 1;
  const choose = ({ rungs, targetMs }: Situation): number => within(rungs, targetMs / slowdown);
  return pilot(
    options,
    (state, latencyMs) => {
      slowdown = latencyMs / (state.rungs[state.at]?.costMs ?? latencyMs);
      return choose(state);
    },
    choose,
    choose,
  );
};

/** Additive increase of the cost it dares while frames fit, multiplicative decrease when one does not. */
export const aimd: Baseline = (options) => {
  let dared: number | undefined;
  const choose = ({ rungs, targetMs }: Situation): number => within(rungs, (dared = Math.min(dared ?? targetMs, 4 * targetMs)));
  return pilot(
    options,
    (state, latencyMs) => {
      const before = dared ?? state.targetMs;
      // Daring more than the dearest rung would only delay the next step down.
      const most = Math.max(state.rungs.at(-1)?.costMs ?? before, 1);
      dared = Math.min(most, latencyMs <= state.targetMs ? before + AIMD.addShare * state.targetMs : AIMD.multiply * before);
      return choose(state);
    },
    choose,
    choose,
  );
};

/** Counts answers per window against the rate that the budget stands for, and moves a quality factor in tenths. */
export const fpsBand: Baseline = (options) => {
  let factor: number = FPS_BAND.start;
  let windowEnd = options.now + FPS_BAND.windowMs;
  let rates: number[] = [];
  let spent = 0;
  let frames = 0;
  const choose = ({ rungs }: Situation): number => Math.round(factor * (rungs.length - 1));
  return pilot(
    options,
    (state, latencyMs, now) => {
      spent += latencyMs;
      frames++;
      if (now < windowEnd) return choose(state);
      windowEnd = now + FPS_BAND.windowMs;
      rates.push((frames * state.targetMs) / spent);
      spent = 0;
      frames = 0;
      if (rates.length < FPS_BAND.windows) return choose(state);
      const share = (test: (rate: number) => boolean): number => rates.filter(test).length / rates.length;
      if (share((rate) => rate < 1) > FPS_BAND.agree) factor = Math.max(0, factor - FPS_BAND.step);
      else if (share((rate) => rate > FPS_BAND.above) > FPS_BAND.agree) factor = Math.min(1, factor + FPS_BAND.step);
      rates = [];
      return choose(state);
    },
    choose,
    choose,
  );
};

/** By name; static rungs are made with {@link fixed}. */
export const BASELINES: Readonly<Record<string, Baseline>> = {
  smallest: fixed(0),
  largest: fixed(Infinity),
  greedy,
  AIMD: aimd,
  'FPS band': fpsBand,
};
