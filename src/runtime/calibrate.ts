/** Measures a few routes on this device and makes its profile of them: a quick one at the first start, a thorough one on demand. */
import { fitCosts } from '../control/predict';
import { profileOf, routesToMeasure } from '../control/profile';
import { typicalTimings } from '../control/typical';
import type { Visit } from '../control/typical';
import type { DeviceProfile } from '../control/types';
import { StitchError } from '../core/errors';
import { told } from '../core/told';
import type { RouteInfo } from '../core/types';
import { VERSION } from '../core/version';
import type { CalibrateOptions } from './api';
import type { EngineApi, EngineInfo } from '../engine/api';

/** The engine, or what stands for it. */
type Calibrating = Pick<EngineApi, 'calibrate'>;

/** How much is measured. Every visit of a route runs one frame more, which does not count. */
interface Effort {
  readonly stitched: number;
  readonly heldOut: number;
  readonly rounds: number;
  readonly framesPerVisit: number;
}
/** At start: enough for a ladder, few enough for a start without a wait. */
const QUICK: Effort = { stitched: 3, heldOut: 0, rounds: 1, framesPerVisit: 3 };
/**
 * Rounds, because a device that is slower for a second would else be slower for one route, and a ladder whose cheapest route is
 * not on it stays that way for as long as the profile. Short visits, because frames wait for them.
 */
const REFINED: Effort = { stitched: 3, heldOut: 0, rounds: 3, framesPerVisit: 1 };
const THOROUGH: Effort = { stitched: 6, heldOut: 5, rounds: 5, framesPerVisit: 2 };
const MOST_MS = 10_000;

/** How long visits take, so that none is begun that would not end in time. */
class VisitTimes {
  private readonly own = new Map<string, number>();
  private leastPerMac = 0;

  /** `frames`: all that ran, with the one that does not count. */
  add({ id, macs }: RouteInfo, frames: number, ms: number): void {
    this.own.set(id, ms / frames);
    const perMac = ms / (frames * macs);
    if (this.leastPerMac === 0 || perMac < this.leastPerMac) this.leastPerMac = perMac;
  }

  /** As the route's last visit; else by its multiply-accumulates, which is too little rather than too much. 0: nothing is known. */
  expected({ id, macs }: RouteInfo, frames: number): number {
    return frames * (this.own.get(id) ?? this.leastPerMac * macs);
  }
}

/** What a profile holds for: another executor, adapter, version or bundle has one of its own. */
export function profileKey({ executor, adapter, bundle }: EngineInfo): string {
  const device = adapter ? `${adapter.vendor} ${adapter.architecture} ${adapter.description}`.trim() : '';
  return [VERSION, executor, device, bundle.hash].join('|');
}

/** A quick profile from the routes that can run now. Errors: those of the engine's `calibrate`. */
export async function quickProfile(link: Calibrating, info: EngineInfo): Promise<DeviceProfile> {
  const { priors } = info;
  const { fit } = routesToMeasure(runnable(info), QUICK.stitched, 0);
  // With priors the ratios are known, and one route gives the scale: the cheapest, so that the start does not wait.
  const cheapest = [...fit].sort((a, b) => a.macs - b.macs).slice(0, 1);
  const visits: Visit[] = [];
  const times = new VisitTimes();
  const began = performance.now();
  for (const route of priors ? cheapest : fit) {
    const start = performance.now();
    if (start - began + times.expected(route, QUICK.framesPerVisit + 1) > MOST_MS) continue;
    visits.push(...(await link.calibrate([route.id], QUICK.framesPerVisit)));
    times.add(route, QUICK.framesPerVisit + 1, performance.now() - start);
  }
  return profileFrom(info, visits, priors ? 'priors' : 'measured');
}

export interface RefineOptions {
  readonly source: 'measured' | 'refined';
  /** Runs one visit of a route; for a pause between them in which frames are answered. */
  readonly visit: <T>(work: () => Promise<T>) => Promise<T>;
}

/**
 * A better profile while the runtime is in use, measured although there are priors, because something is known to be wrong with
 * what there is. Errors: those of the engine's `calibrate`, and of `visit`.
 */
export async function refinedProfile(
  link: Calibrating,
  info: EngineInfo,
  { source, visit }: RefineOptions,
): Promise<DeviceProfile> {
  const { fit } = routesToMeasure(runnable(info), REFINED.stitched, 0);
  const visits: Visit[] = [];
  for (let round = 0; round < REFINED.rounds; round++) {
    for (const { id } of fit) {
      visits.push(...(await visit(() => link.calibrate([id], REFINED.framesPerVisit))));
    }
  }
  return profileFrom(info, visits, source);
}

/** Errors: argument-invalid (maxMs), aborted, and those of the engine's `calibrate`. */
export async function thoroughProfile(
  link: Calibrating,
  info: EngineInfo,
  options: CalibrateOptions = {},
): Promise<DeviceProfile> {
  const { signal, onProgress } = options;
  const maxMs = assertLimit(options.maxMs ?? MOST_MS);
  const { stitched, heldOut, rounds, framesPerVisit } = THOROUGH;
  const plan = routesToMeasure(runnable(info), stitched, heldOut);
  const routes = [...plan.fit, ...plan.heldOut];
  const visits: Visit[] = [];
  // One frame a visit at first, so that a slow device gets round once.
  const framesIn = (round: number): number => (round === 0 ? 1 : framesPerVisit);
  const total = routes.length * (rounds * (framesPerVisit + 1) + framesIn(0) - framesPerVisit);
  const times = new VisitTimes();
  const began = performance.now();
  let done = 0;
  for (let round = 0; round < rounds; round++) {
    for (const route of routes) {
      if (signal?.aborted) throw new StitchError('aborted', 'Calibration was cancelled; the profile is as it was.');
      const start = performance.now();
      const frames = framesIn(round) + 1;
      done += frames;
      // Every visit must end in time; a cheaper one may still.
      if (visits.length > 0 && start - began + times.expected(route, frames) > maxMs) continue;
      told(onProgress, { done: done - frames, total, route: route.id });
      const [timing] = await link.calibrate([route.id], framesIn(round));
      if (timing) visits.push(timing);
      times.add(route, frames, performance.now() - start);
    }
  }
  told(onProgress, { done: total, total, route: routes.at(-1)?.id ?? '' });
  return profileFrom(info, visits, 'measured', new Set(plan.heldOut.map(({ id }) => id)));
}

function profileFrom(
  info: EngineInfo,
  visits: readonly Visit[],
  source: DeviceProfile['source'],
  heldOut?: ReadonlySet<string>,
): DeviceProfile {
  const { routes, priors } = info;
  return profileOf(routes, typicalTimings(visits, fitCosts(routes, [], priors).costs), {
    key: profileKey(info),
    at: Date.now(),
    source,
    ...(heldOut ? { heldOut } : {}),
    ...(priors ? { priors } : {}),
  });
}

/** What is not loaded yet cannot be measured. */
const runnable = ({ routes, ready }: EngineInfo): RouteInfo[] => routes.filter(({ id }) => ready.includes(id));

function assertLimit(maxMs: number): number {
  if (Number.isFinite(maxMs) && maxMs > 0 && maxMs <= MOST_MS) return maxMs;
  throw new StitchError('argument-invalid', `maxMs is ${maxMs}: it must be above 0 and at most ${MOST_MS} milliseconds.`, {
    argument: 'maxMs',
    value: String(maxMs),
  });
}
