/** The runtime's side of the controller: budget, mode, ladder and profile in, decisions out, and a record of both. */
import { withBudget } from '../control/budget';
import { createController } from '../control/controller';
import { driftAfter, freshDrift } from '../control/drift';
import { BusyMeter } from '../control/energy';
import { buildLadder, sortRungs } from '../control/ladder';
import { costsOf } from '../control/profile';
import type { ControlEvent, ControlMode, Decision, DeviceProfile, Rung, Signals } from '../control/types';
import { StitchError } from '../core/errors';
import type { Budget, RouteInfo, Timing } from '../core/types';
import type { PageReading } from '../monitor/page';
import type { Recording, Snapshot } from './api';
import { createRecorder } from './recorder';

export interface SteeringOptions {
  readonly routes: readonly RouteInfo[];
  /** Ids of the routes that can run now. */
  readonly ready: readonly string[];
  readonly profile: DeviceProfile;
  readonly budget: Budget;
  readonly signals: Signals;
  readonly onDecision: (decision: Decision) => void;
  /** The profile no longer holds: time to measure anew. */
  readonly onDrift: () => void;
}

export interface Steering {
  readonly ladder: readonly Rung[];
  readonly route: string;
  /** The most accurate one that the mode allows, whatever it costs. */
  readonly bestRoute: string;
  readonly duty: number;
  /** When the energy plan allows the next frame, performance.now(). */
  readonly readyAt: number;
  readonly status: Pick<
    Snapshot,
    'targetMs' | 'slowdown' | 'duty' | 'busySecondsPerMinute' | 'planSecondsPerMinute' | 'pageFps' | 'thermal'
  >;
  get budget(): Budget;
  /** What it does not say stays. Errors: argument-invalid. */
  set budget(value: Partial<Budget>);
  /** Errors: argument-invalid, route-unknown. */
  mode: ControlMode;
  profile: DeviceProfile;
  /** Ids of the routes that can run from now on. */
  unlock(ready: readonly string[]): void;
  frame(route: string, timing: Timing): void;
  signals(signals: Signals): void;
  page(reading: PageReading): void;
  deviceLost(): void;
  record(): Recording;
  /** Errors: route-unknown. */
  assertRoute(id: string): void;
}

const now = (): number => performance.now();

const missingFrom = (rungs: readonly Rung[], of: readonly Rung[]): readonly Rung[] =>
  of.filter(({ id }) => !rungs.some((rung) => rung.id === id));

const KINDS: readonly unknown[] = ['auto', 'lock', 'cap', 'floor'] satisfies ControlMode['kind'][];

function assertMode(mode: unknown): void {
  const kind = typeof mode === 'object' && mode !== null && 'kind' in mode ? mode.kind : mode;
  if (KINDS.includes(kind) && kind !== mode) return;
  const text = `mode is ${JSON.stringify(mode)}: it must be { kind: 'auto' }, or { kind: 'lock' | 'cap' | 'floor', route }.`;
  throw new StitchError('argument-invalid', text, { argument: 'mode' });
}

export function createSteering({ budget: initial, signals, onDecision, onDrift, ...first }: SteeringOptions): Steering {
  const runnable = (ready: readonly string[]): RouteInfo[] => first.routes.filter(({ id }) => ready.includes(id));
  let routes = runnable(first.ready);
  let profile = first.profile;
  let costs = costsOf(profile);
  let ladder = buildLadder(routes, costs);
  let budget = initial;
  let mode: ControlMode = { kind: 'auto' };
  let page: PageReading = { fps: 'unknown', longMs: 'unknown' };
  let drift = freshDrift(profile.source !== 'measured', now());
  const busy = new BusyMeter();
  const recorder = createRecorder();
  const controller = createController({ rungs: ladder, budget, now: now(), signals });

  const dispatch = (event: ControlEvent): void => {
    const decision = controller.dispatch(event);
    recorder.note(event, decision);
    if (decision !== undefined) onDecision(decision);
  };
  /** A lock may name any route of the bundle, also one that is not worth a place on the ladder otherwise. */
  const rungsFor = (wanted: ControlMode): readonly Rung[] => {
    if (wanted.kind === 'auto' || ladder.some(({ id }) => id === wanted.route)) return ladder;
    return sortRungs([...ladder, ...buildLadder(routes.filter(({ id }) => id === wanted.route), costs)]); // prettier-ignore
  };
  const assertRoute = (id: string): void => {
    if (routes.some((route) => route.id === id)) return;
    if (first.routes.some((route) => route.id === id)) {
      const text = `Route "${id}" is not loaded yet. Await runtime.loaded, or runtime.loadMore() with its largest anchor.`;
      throw new StitchError('route-unknown', text, { route: id });
    }
    const text = `No route "${id}" here. Choose one of ${routes.map((one) => one.id).join(', ')}.`;
    throw new StitchError('route-unknown', text, { route: id });
  };
  const assertRung = (id: string): void => {
    assertRoute(id);
    if (ladder.some((rung) => rung.id === id)) return;
    const text = `Route "${id}" is not on this device's ladder: another one is as accurate and takes no longer. Choose one of ${ladder.map((one) => one.id).join(', ')}.`;
    throw new StitchError('route-unknown', text, { route: id });
  };

  return {
    get ladder() {
      return ladder;
    },
    get route() {
      return controller.route;
    },
    get bestRoute() {
      return mode.kind === 'lock' || mode.kind === 'cap' ? mode.route : (ladder.at(-1)?.id ?? controller.route);
    },
    get duty() {
      return controller.duty;
    },
    get readyAt() {
      return controller.readyAt;
    },
    get status() {
      const { targetMs, slowdown, duty, planSeconds, thermal } = controller;
      return {
        targetMs,
        slowdown,
        duty,
        busySecondsPerMinute: busy.secondsPerMinute(now()),
        planSecondsPerMinute: planSeconds,
        pageFps: page.fps,
        thermal,
      };
    },
    get budget() {
      return budget;
    },
    set budget(value) {
      budget = withBudget(budget, value);
      dispatch({ type: 'budget', now: now(), budget });
    },
    get mode() {
      return mode;
    },
    set mode(value) {
      assertMode(value);
      if (value.kind === 'lock') assertRoute(value.route);
      else if (value.kind !== 'auto') assertRung(value.route);
      const before = rungsFor(mode);
      const rungs = rungsFor(value);
      const [gone, added] = [missingFrom(rungs, before), missingFrom(before, rungs)];
      // A route off the ladder goes after the controller has left it, and comes before it is wanted: no third one in between.
      if (added.length > 0) dispatch({ type: 'ladder', now: now(), rungs: sortRungs([...before, ...added]) });
      mode = value;
      dispatch({ type: 'mode', now: now(), mode });
      if (gone.length > 0) dispatch({ type: 'ladder', now: now(), rungs });
    },
    get profile() {
      return profile;
    },
    set profile(value) {
      profile = value;
      costs = costsOf(value);
      ladder = buildLadder(routes, costs);
      drift = freshDrift(false, now());
      dispatch({ type: 'ladder', now: now(), rungs: rungsFor(mode) });
    },
    unlock(ready) {
      routes = runnable(ready);
      ladder = buildLadder(routes, costs);
      dispatch({ type: 'ladder', now: now(), rungs: rungsFor(mode) });
    },
    frame(route, { totalMs, gpuMs, queuedMs = 0 }) {
      const at = now();
      // What the route takes; the wait for the frame before it says nothing of the device.
      const latencyMs = totalMs - queuedMs;
      busy.add(at, gpuMs ?? latencyMs);
      dispatch({ type: 'sample', now: at, route, latencyMs, ...(gpuMs === undefined ? {} : { gpuMs }) });
      const checked = driftAfter(drift, { now: at, route, latencyMs }, costs.get(route) ?? NaN);
      drift = checked.drift;
      if (checked.drifted === 'no') return;
      // One measurement is enough, also while it waits for its turn.
      drift = freshDrift(false, at);
      onDrift();
    },
    signals(value) {
      dispatch({ type: 'signals', now: now(), signals: value });
    },
    page(reading) {
      page = reading;
      dispatch({ type: 'page', now: now(), ...reading });
    },
    deviceLost() {
      dispatch({ type: 'reset', now: now(), why: 'device-lost' });
    },
    record: () => recorder.start(controller),
    assertRoute,
  };
}
