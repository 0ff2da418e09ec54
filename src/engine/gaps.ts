/**
 * Frames go first: loading works in the gaps between them, a slice at a time. Frames and loading share one thread and one set
 * of activations, so a slice that is on its way is what a frame may have to wait for, and no more.
 */

/** How long loading may keep the thread before it looks whether a frame has come. */
const SLICE_MS = 1.5;

export class Gaps {
  private frame: Promise<void> | undefined;
  private step: Promise<void> | undefined;
  private sliceEnd = 0;

  /** Whether a frame, or what counts as one, is on its way. */
  get busy(): boolean {
    return this.frame !== undefined;
  }

  /** Runs a frame after the step of loading that may be under way. One at a time: look at `busy` first. */
  async runFrame<T>(work: () => Promise<T>): Promise<T> {
    let done = (): void => {};
    this.frame = new Promise((resolve) => (done = resolve));
    try {
      while (this.step !== undefined) await this.step;
      return await work();
    } finally {
      this.frame = undefined;
      done();
    }
  }

  /** Waits until the next slice of loading may run: at once while the present one has time left, else in a gap. */
  async pause(): Promise<void> {
    if (this.frame === undefined && performance.now() < this.sliceEnd) return;
    await this.gap();
    this.sliceEnd = performance.now() + SLICE_MS;
  }

  /** Runs a step that no frame may meet, because it uses the same activations. Frames that come meanwhile wait. */
  async runStep<T>(work: () => Promise<T>): Promise<T> {
    await this.gap();
    let done = (): void => {};
    this.step = new Promise((resolve) => (done = resolve));
    try {
      return await work();
    } finally {
      this.step = undefined;
      done();
    }
  }

  /** A turn of the event loop, and the end of the frame that it may have brought. */
  private async gap(): Promise<void> {
    do {
      await this.frame;
      // After a frame, so that its answer is on its way to the page; else to let one in that is waiting.
      await macrotask();
    } while (this.frame !== undefined);
  }
}

/** After messages that are waiting; without the 4 ms that nested timers are held back. */
function macrotask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener('message', () => {
      port1.close();
      resolve();
    });
    port1.start();
    port2.postMessage(undefined);
  });
}
