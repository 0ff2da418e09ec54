/** The shell that holds the controller's state. */
import { exp } from '../core/exact';
import { assertBudget } from './budget';
import { decide } from './policy';
import { readyAt } from './energy';
import { decisionOf, dutyOf, start } from './state';
import type { ControlState, StartOptions } from './state';
import { thermalOf } from './thermal';
import type { ControlEvent, Decision, Thermal } from './types';

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
  /** When the energy plan allows the next frame, on the events' clock; in the past where it does at once. */
  readonly readyAt: number;
  /** What energy mode and battery allow, busy seconds a minute; 60 is no limit. */
  readonly planSeconds: number;
  readonly thermal: Thermal;
  /** Plain JSON data; for records and replay. */
  readonly state: ControlState;
  /** Throws `argument-invalid` on a budget that cannot be obeyed; every other impossible value is ignored. */
  dispatch(event: ControlEvent): Decision | undefined;
}

/** Throws `argument-invalid` on an empty ladder or a bad budget. */
export function createController(options: StartOptions): Controller {
  const { state, decision } = start(options);
  return controllerAt(state, decision);
}

/** A controller that goes on from the state of another: it decides what that one would. */
export function resumeController(state: ControlState): Controller {
  return controllerAt(state, decisionOf(state, state.current, 'hold'));
}

function controllerAt(begun: ControlState, first: Decision): Controller {
  let state = begun;
  return {
    first,
    get route() {
      return state.current;
    },
    get targetMs() {
      return state.target.targetMs;
    },
    get slowdown() {
      return exp(state.estimate.level.value);
    },
    get duty() {
      return dutyOf(state);
    },
    get readyAt() {
      return readyAt(state.bucket, state.target.planSeconds);
    },
    get planSeconds() {
      return state.target.planSeconds;
    },
    get thermal() {
      return thermalOf(state.thermal);
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
