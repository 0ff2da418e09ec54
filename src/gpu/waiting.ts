/** How long frames wait on the GPU's queue for the frame before, so that their latency can be told from the wait. Pure: no clock. */

export interface Answered {
  /** When it was submitted, and when its answer was read back; ms of one clock. */
  readonly submittedAt: number;
  readonly answeredAt: number;
  /** By timestamps, where the adapter has them. */
  readonly gpuMs: number | undefined;
}

export class Waiting {
  private lastAnsweredAt = -Infinity;
  /** Least time from the end of a frame's kernels to its answer: what a frame that waited for nobody shows. */
  private tailMs = Infinity;

  /** The wait of a frame, ms; frames are told in the order of their answers. */
  of({ submittedAt, answeredAt, gpuMs }: Answered): number {
    const behindMs = this.lastAnsweredAt - submittedAt;
    this.lastAnsweredAt = answeredAt;
    const restMs = answeredAt - submittedAt - (gpuMs ?? Number.NaN);
    if (behindMs <= 0) {
      if (restMs < this.tailMs) this.tailMs = restMs;
      return 0;
    }
    // While the answer before was read back the GPU was free, so until then is too long; what its own kernels and read-back leave is not.
    const ownMs = restMs - (this.tailMs === Infinity ? 0 : this.tailMs);
    return Number.isNaN(ownMs) ? behindMs : Math.max(0, Math.min(behindMs, ownMs));
  }
}
