/** The shell that holds the controller's state. */
import { assertBudget } from './budget';
import { decide } from './policy';
import { start } from './state';
import type { ControlState, StartOptions } from './state';
import type { ControlEvent, Decision } from './types';

export interface Controller {
  /** The decision for the first route. */
  readonly first: Decision;
  /** Route of the next frame. */
  readonly route: string;
  /** What one inference may take now, ms. */
  readonly targetMs: number;
  /** Latency of this device against its profile, 1 is as profiled. */
  readonly slowdown: number;
  /** Share of frames to classify, 0…1. */
  readonly duty: number;
  /** Plain JSON data; for records and replay. */
  readonly state: ControlState;
  /** Throws `argument-invalid` on a budget that cannot be obeyed; every other impossible value is ignored. */
  dispatch(event: ControlEvent): Decision | undefined;
}

/** Throws `argument-invalid` on an empty ladder or a bad budget. */
export function createController(options: StartOptions): Controller {
  const begun = start(options);
  let state = begun.state;
  return {
    first: begun.decision,
    get route() {
      return state.current;
    },
    get targetMs() {
      return state.target.targetMs;
    },
    get slowdown() {
      return Math.exp(state.estimate.level.value);
    },
    get duty() {
      return state.target.duty * state.share;
    },
    get state() {
      return state;
    },
    dispatch(event) {
      if (event.type === 'budget') assertBudget(event.budget);
      const step = decide(state, event);
      state = step.state;
      return step.decision;
    },
  };
}
