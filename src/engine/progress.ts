/** Progress of one load as the page is told it: phases always, bytes now and then. */
import type { BundleProgress } from '../bundle/progress';
import type { LoadProgress } from './api';

/** Least time between two reports of one phase: bytes arrive in thousands of pieces. */
const PROGRESS_MS = 50;

export class Progress {
  /** Why nothing is kept; asked whenever something is said. */
  cacheProblem: () => string | undefined = () => undefined;
  private current: LoadProgress = { phase: 'manifest', bytesLoaded: 0, bytesTotal: 0, bytesFromCache: 0 };
  private said = 0;
  private listener: ((progress: LoadProgress) => void) | undefined;

  get state(): LoadProgress {
    const cacheProblem = this.cacheProblem();
    return cacheProblem === undefined ? this.current : { ...this.current, cacheProblem };
  }

  /** Tells `listener` from now on; undefined: nobody. */
  tell(listener: ((progress: LoadProgress) => void) | undefined): void {
    this.listener = listener;
  }

  phase(phase: LoadProgress['phase']): void {
    const isNew = phase !== this.current.phase || phase === 'manifest';
    this.current = { ...this.current, phase };
    if (isNew) this.say();
  }

  bytes(progress: BundleProgress): void {
    this.current = { phase: this.current.phase, ...progress };
    const complete = progress.bytesLoaded >= progress.bytesTotal;
    if (complete || performance.now() - this.said >= PROGRESS_MS) this.say();
  }

  private say(): void {
    this.said = performance.now();
    this.listener?.(this.state);
  }
}
