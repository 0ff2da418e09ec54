/**
 * Whether a profile still holds. Its scale is held against the first frames after a start (a stored profile may be of a device
 * that was busy, or has a new driver since); its ratios at every change of route, where the frames just before and just after
 * say what the two routes cost under the same load. Pure: load alone is no drift, because it moves both alike.
 */
import { quantileSorted } from '../core/stats';
import { TUNING } from './tuning';

export interface Drift {
  /** False where the scale needs no check, because it was measured just now. */
  readonly checkScale: boolean;
  /** Log of latency against the profile: the first frames, until the scale is checked. */
  readonly first: readonly number[];
  readonly route: string | null;
  /** The same of the latest frames on this route, oldest first; frames still to be skipped after a change. */
  readonly recent: readonly number[];
  readonly skip: number;
  /** The median of the route before and its cost, until it is compared. */
  readonly before: { readonly log: number; readonly costMs: number } | null;
  readonly costMs: number;
  /** Errors of the ratio dear / cheap at the latest changes of route, log, oldest first. */
  readonly edges: readonly number[];
  readonly lastAt: number;
  readonly quietUntil: number;
}

/** `now`: of the profile. */
export function freshDrift(checkScale: boolean, now: number): Drift {
  return {
    checkScale,
    first: [],
    route: null,
    recent: [],
    skip: 0,
    before: null,
    costMs: NaN,
    edges: [],
    lastAt: now,
    quietUntil: checkScale ? now : now + TUNING.driftRestMs,
  };
}

/** One answered frame; `predictedMs` is what the profile says of its route. Impossible numbers change nothing. */
export function driftAfter(
  drift: Drift,
  { now, route, latencyMs }: { readonly now: number; readonly route: string; readonly latencyMs: number },
  predictedMs: number,
): { readonly drift: Drift; readonly drifted: 'no' | 'scale' | 'ratios' } {
  const log = Math.log(latencyMs / predictedMs);
  if (!Number.isFinite(log) || !(now >= drift.lastAt)) return { drift, drifted: 'no' };
  const scaled = withScale(drift, log);
  const moved = withFrame(scaled, route, now, log, predictedMs);
  const next = { ...moved, lastAt: now };
  if (drift.checkScale && !scaled.checkScale && Math.abs(median(scaled.first)) > TUNING.driftScale) {
    return { drift: next, drifted: 'scale' };
  }
  const known = next.edges.length >= TUNING.driftEdges && now >= next.quietUntil;
  const off = known && Math.abs(median(next.edges)) > TUNING.driftRatio;
  return { drift: next, drifted: off ? 'ratios' : 'no' };
}

function withScale(drift: Drift, log: number): Drift {
  if (!drift.checkScale) return drift;
  const first = [...drift.first, log];
  return { ...drift, first, checkScale: first.length < TUNING.driftScaleFrames };
}

function withFrame(drift: Drift, route: string, now: number, log: number, costMs: number): Drift {
  if (route !== drift.route) {
    // After a pause the load may be another, and too few frames say too little.
    const usable = now - drift.lastAt < TUNING.gapMs && drift.recent.length === TUNING.driftSpan;
    const before = usable ? { log: median(drift.recent), costMs: drift.costMs } : null;
    return { ...drift, route, costMs, before, recent: [], skip: TUNING.ignoreFrames - 1 };
  }
  if (drift.skip > 0) return { ...drift, skip: drift.skip - 1 };
  const recent = [...drift.recent, log].slice(-TUNING.driftSpan);
  if (drift.before === null || recent.length < TUNING.driftSpan) return { ...drift, recent };
  const error = (median(recent) - drift.before.log) * Math.sign(costMs - drift.before.costMs);
  const edges = [...drift.edges, error].slice(-TUNING.driftEdges);
  return { ...drift, recent, edges, before: null };
}

function median(values: readonly number[]): number {
  return quantileSorted([...values].sort((a, b) => a - b), 0.5); // prettier-ignore
}
