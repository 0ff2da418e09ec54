/** What a recorded run says about its device, as a trace for the simulator: slowdown over time. Pure. */
import { StitchError } from '../core/errors';
import { quantileSorted } from '../core/stats';
import type { Replay } from './replay';
import type { ControlEvent } from './types';

/** Ms before and after a frame that its median is taken over: a slowdown, not the noise on single frames, which the simulator adds… */
const HALF_MS = 500;
/** …and the least frames on either side. */
const HALF_FRAMES = 2;

/** The quantile of the slowdown that counts as the device's own speed: it may have been busy when its profile was measured. */
const CALM = 0.25;

/**
 * Lines `t_ms,slowdown` (see `parseTrace`): the running median over a second of latency / cost of the frame's route in the ladder of
 * then, over the lower quartile of all of them; times from the first frame. `comment` lines go before them. Throws `argument-invalid` on fewer than two frames.
 */
export function slowdownCsv({ header, events }: Pick<Replay, 'header' | 'events'>, comment: readonly string[] = []): string {
  const points = pointsOf(header.start.rungs, events);
  const first = points[0];
  if (!first || points.length < 2) {
    throw new StitchError('argument-invalid', `The trace has ${points.length} frames of known routes; it needs two or more.`, {
      argument: 'trace',
    });
  }
  const smooth = points.map((_, i) => {
    const { now } = points[i] ?? first;
    const near = points
      .filter((other, k) => Math.abs(k - i) <= HALF_FRAMES || Math.abs(other.now - now) <= HALF_MS)
      .map(({ slowdown }) => slowdown);
    return quantileSorted(near.sort((a, b) => a - b), 0.5); // prettier-ignore
  });
  const calm = quantileSorted([...smooth].sort((a, b) => a - b), CALM); // prettier-ignore
  const lines = points.map(({ now }, i) => `${(now - first.now).toFixed(0)},${((smooth[i] ?? calm) / calm).toFixed(3)}`);
  return [...comment.map((line) => `# ${line}`), 't_ms,slowdown', ...lines, ''].join('\n');
}

function pointsOf(
  start: readonly { readonly id: string; readonly costMs: number }[],
  events: readonly ControlEvent[],
): { readonly now: number; readonly slowdown: number }[] {
  let costs = new Map(start.map(({ id, costMs }) => [id, costMs]));
  return events.flatMap((event) => {
    if (event.type === 'ladder') costs = new Map(event.rungs.map(({ id, costMs }) => [id, costMs]));
    if (event.type !== 'sample') return [];
    const cost = costs.get(event.route);
    return cost !== undefined && event.latencyMs > 0 ? [{ now: event.now, slowdown: event.latencyMs / cost }] : [];
  });
}
