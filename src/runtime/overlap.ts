/**
 * When the next frame may begin although the one before is not answered yet: so early that its way to the GPU is over when the GPU
 * becomes free, and no earlier. Frames come at the pace of the GPU then, and few of them wait for it.
 */
import { RollingWindow } from '../core/stats';
import type { Timing } from '../core/types';

/** Frames that the medians are taken of, and the least that make one. */
const WINDOW = 15;
const LEAST = 5;
/** Of the frame's time, at least so much has to be won: GPU times vary, and a frame that comes too early queues. */
const WORTH = 0.1;
/** The GPU is free by then in so many cases. */
const FREE = 0.75;

export class Overlap {
  private route = '';
  private readonly wall = new RollingWindow(WINDOW);
  private readonly total = new RollingWindow(WINDOW);
  private readonly gpu = new RollingWindow(WINDOW);

  /** A frame that took `wallMs` from picture to answer on the page. */
  add(route: string, wallMs: number, { totalMs, gpuMs = NaN, queuedMs = 0 }: Timing): void {
    if (route !== this.route) for (const window of [this.wall, this.total, this.gpu]) window.clear();
    this.route = route;
    this.wall.add(wallMs - queuedMs);
    this.total.add(totalMs - queuedMs);
    this.gpu.add(gpuMs);
  }

  /**
   * How long after the last frame's beginning a frame on `route` may begin, ms; Infinity: not before its answer. Unknown without GPU
   * times. `targetMs`: a frame that waits longer than predicted has this much room.
   */
  after(route: string, targetMs: number): number {
    if (route !== this.route || this.gpu.count < LEAST) return Infinity;
    const [wall = NaN] = this.wall.quantiles(0.5);
    const [total = NaN] = this.total.quantiles(0.5);
    const [gpu = NaN] = this.gpu.quantiles(FREE);
    // On its way to and from the GPU a frame leaves it idle; to begin earlier than that would be to queue.
    const lead = Math.min(wall - gpu, targetMs - total);
    return lead >= WORTH * wall ? wall - lead : Infinity;
  }
}
