/** The oracle: the best plan for a trace by somebody who knows it, found by dynamic programming. */
import type { ControlEvent } from './types';
import { SIMULATION, logSdOf, quietMs } from './simulate';
import type { Course, Pilot } from './simulate';
import { TUNING } from './tuning';

/** What binds the oracle; the same dwell as the controller's, and the score's own price of a switch. */
export const ORACLE = {
  /** Accuracy points a switch per minute costs. */
  mu: 0.02,
  /** Least ticks on a rung before a climb of its own. */
  dwellTicks: Math.round(TUNING.dwellMs / SIMULATION.frameMs),
  /** Points lost by a frame whose p95 is over the budget where another rung's is not: never worth it. */
  misfit: 1e3,
  /** Points lost by a frame on a rung that is not there. */
  absent: 1e6,
} as const;

/** Cost of one switch in point-frames: a minute has this many frames. */
const switchCost = (mu: number): number => (mu * 60_000) / SIMULATION.frameMs;

/**
 * Worth of every rung at every tick, in points: its accuracy where its true p95 is within the budget. The slowdown is known,
 * the noise is not. Where no rung fits, the cheapest is held to fit.
 */
export function worthOf(course: Course): Float64Array {
  const { rungs, ticks, alive, present } = course;
  const K = rungs.length;
  const worth = new Float64Array(ticks * K);
  const fits = fittingRungs(course);
  const hopeless = hopelessTicks(course, fits);
  for (let tick = 0; tick < ticks; tick++) {
    if (!alive[tick]) continue;
    const here = present[tick];
    const cheapest = hopeless[tick] ? here?.indexOf(1) : -1;
    for (let k = 0; k < K; k++) {
      const lost = here?.[k] ? (fits[tick * K + k] || k === cheapest ? 0 : ORACLE.misfit) : ORACLE.absent;
      worth[tick * K + k] = 100 * (rungs[k]?.accuracy ?? 0) - lost;
    }
  }
  return worth;
}

/** By tick and rung: 1 where the rung is there and its p95 is within the budget. */
function fittingRungs(course: Course): Uint8Array {
  const { ticks, present, budgetMs } = course;
  const K = course.rungs.length;
  const tail = Math.exp(TUNING.z * logSdOf(course.trace));
  const fits = new Uint8Array(ticks * K);
  for (let tick = 0; tick < ticks; tick++) {
    const here = present[tick];
    const most = (budgetMs[tick] ?? 0) / tail;
    for (let k = 0; k < K; k++) fits[tick * K + k] = here?.[k] && quietMs(course, k, tick) <= most ? 1 : 0;
  }
  return fits;
}

/** 1 at ticks at which no present rung fits the budget at its p95. */
export function hopelessTicks(course: Course, fits = fittingRungs(course)): Uint8Array {
  const K = course.rungs.length;
  const hopeless = new Uint8Array(course.ticks).fill(1);
  for (let i = 0; i < fits.length; i++) if (fits[i]) hopeless[Math.floor(i / K)] = 0;
  return hopeless;
}

/**
 * The rung of every tick that maximises Σ worth − switches · cost. Steps down are free to come at any time; a step up needs
 * {@link ORACLE}.dwellTicks on the rung, except when the budget, a sensor or the ladder has just changed: exactly what binds
 * the controller.
 */
export function planOf(
  course: Course,
  worth = worthOf(course),
  mu: number = ORACLE.mu,
  dwell: number = ORACLE.dwellTicks,
): Uint8Array {
  const K = course.rungs.length;
  const D = Math.max(1, dwell);
  const width = D + 1;
  const cost = switchCost(mu);
  // Best sum from this tick on, by rung and by ticks since it was entered, D and more as one.
  let after = new Float64Array(K * width);
  let here = new Float64Array(K * width);
  const chosen = new Uint8Array(course.ticks * K * width);
  const below = new Int32Array(K);
  const above = new Int32Array(K);
  for (let tick = course.ticks - 1; tick >= 0; tick--) {
    const last = tick === course.ticks - 1;
    const free = ((course.steps[tick + 1] ?? 0) & 2) !== 0;
    for (let k = 1, best = 0; k < K; k++) {
      below[k] = best;
      if ((after[k * width] ?? 0) > (after[best * width] ?? 0)) best = k;
    }
    for (let k = K - 2, best = K - 1; k >= 0; k--) {
      above[k] = best;
      if ((after[k * width] ?? 0) > (after[best * width] ?? 0)) best = k;
    }
    for (let k = 0; k < K; k++) {
      const own = worth[tick * K + k] ?? 0;
      const low = below[k] ?? 0;
      const high = above[k] ?? 0;
      const down = k > 0 ? (after[low * width] ?? 0) - cost : -Infinity;
      const up = k < K - 1 ? (after[high * width] ?? 0) - cost : -Infinity;
      const base = k * width;
      const row = tick * K * width + base;
      if (last) {
        here.fill(own, base, base + width);
        chosen.fill(k, row, row + width);
        continue;
      }
      // A step down is worth the same whenever it comes, so the loop over times on the rung has only one comparison.
      for (let d = 0; d < D; d++) {
        const stay = after[base + d + 1] ?? 0;
        const drops = down > stay;
        here[base + d] = own + (drops ? down : stay);
        chosen[row + d] = drops ? low : k;
      }
      const stay = after[base + D] ?? 0;
      const drops = down > stay;
      here[base + D] = own + (drops ? down : stay);
      chosen[row + D] = drops ? low : k;
      if (up === -Infinity) continue;
      for (let d = free ? 0 : D - 1; d <= D; d++) {
        const best = (here[base + d] ?? 0) - own;
        if (up <= best) continue;
        here[base + d] = own + up;
        chosen[row + d] = high;
      }
    }
    [after, here] = [here, after];
  }
  const plan = new Uint8Array(course.ticks);
  let rung = 0;
  for (let k = 1; k < K; k++) if ((after[k * width + D] ?? 0) > (after[rung * width + D] ?? 0)) rung = k;
  let since = D;
  for (let tick = 0; tick < course.ticks; tick++) {
    plan[tick] = rung;
    const to = chosen[(tick * K + rung) * width + since] ?? rung;
    since = to === rung ? Math.min(D, since + 1) : 0;
    rung = to;
  }
  return plan;
}

/** Flies a plan. */
export function oraclePilot(course: Course, plan: Uint8Array): Pilot {
  const idAt = (tick: number): string => course.rungs[plan[tick] ?? 0]?.id ?? '';
  return { route: idAt(0), duty: 1, routeAt: idAt, dispatch: (_: ControlEvent) => undefined };
}
