/** What is loaded beyond the first routes: one load after the other, given up on demand, and begun again after a loss. */
import { StitchError } from '../core/errors';
import type { RouteInfo } from '../core/types';
import type { EngineInfo, LoadTier } from '../engine/api';

export class Loads {
  /** The largest anchor that was asked for. */
  private goal: string | undefined;
  /** How many wait for theirs. */
  private waiting = 0;
  private last: Promise<unknown> = Promise.resolve();
  private cancels = 0;

  /** Something is being loaded, or waits for that. */
  get active(): boolean {
    return this.waiting > 0;
  }

  /** Resolves when the load that was asked for last has ended. */
  async settled(): Promise<void> {
    await this.last.catch(() => {});
  }

  /**
   * Runs `load` after the loads before it. It calls `assertWanted` each time it begins, as after a loss. Errors: those of `load`, and
   * aborted where it was cancelled meanwhile.
   */
  async run<T>(anchor: string, tiers: readonly LoadTier[], load: (assertWanted: () => void) => Promise<T>): Promise<T> {
    const rank = (id: string | undefined) => tiers.findIndex((tier) => tier.anchor === id);
    if (rank(anchor) > rank(this.goal)) this.goal = anchor;
    const { cancels } = this;
    const assertWanted = (): void => {
      if (this.cancels !== cancels) throw new StitchError('aborted', 'Loading was cancelled. What is there can be used.');
    };
    this.waiting += 1;
    const turn = this.settled().then(() => load(assertWanted));
    this.last = turn;
    try {
      return await turn;
    } finally {
      this.waiting -= 1;
    }
  }

  /** Nothing more than what is there is wanted, now and after a loss. */
  cancel({ tiers, routes, ready }: Pick<EngineInfo, 'tiers' | 'routes' | 'ready'>): void {
    this.cancels += 1;
    const isThere = (anchor: string) => routes.some((one) => anchorOf(one) === anchor && ready.includes(one.id));
    this.goal = tiers.findLast(({ anchor }) => isThere(anchor))?.anchor;
  }

  /** What is to be loaded again after a loss: whoever waits for a load goes on by itself, what was complete is completed again. */
  get lost(): string | undefined {
    return this.active ? undefined : this.goal;
  }
}

/** The anchor of a route that is nothing else. */
function anchorOf({ path }: RouteInfo): string | undefined {
  const [step] = path;
  return path.length === 1 && step !== undefined && 'anchor' in step ? step.anchor : undefined;
}
