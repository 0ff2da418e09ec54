/**
 * Frames go first: loading works in the gaps between them, a slice at a time. Frames and loading share one thread and one set
 * of activations, so a slice that is on its way is what a frame may have to wait for, and no more.
 */

/** How long loading may keep the thread before it looks whether a frame has come. */
const SLICE_MS = 1.5;

export class Gaps {
  private frames = 0;
  /** Resolves when no frame is on its way any more. */
  private idle: Promise<void> | undefined;
  private becomeIdle = (): void => {};
  private step: Promise<void> | undefined;
  private sliceEnd = 0;

  /** How many frames, or what counts as one, are on their way. */
  get inFlight(): number {
    return this.frames;
  }

  /** Runs a frame after the step of loading that may be under way. How many there may be at once is the caller's matter. */
  async runFrame<T>(work: () => Promise<T>): Promise<T> {
    this.frames += 1;
    this.idle ??= new Promise((resolve) => (this.becomeIdle = resolve));
    try {
      while (this.step !== undefined) await this.step;
      return await work();
    } finally {
      this.frames -= 1;
      if (this.frames === 0) {
        this.idle = undefined;
        this.becomeIdle();
      }
    }
  }

  /** Waits until the next slice of loading may run: at once while the present one has time left, else in a gap. */
  async pause(): Promise<void> {
    if (this.frames === 0 && performance.now() < this.sliceEnd) return;
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
      await this.idle;
      // After a frame, so that its answer is on its way to the page; else to let one in that is waiting.
      await macrotask();
    } while (this.frames > 0);
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
