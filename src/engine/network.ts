/** What is loaded of a bundle on one executor: which units are there, and which routes are built, checked and free to run. */
import type { CheckVectors } from '../bundle/contents';
import type { RouteSpec, ShardSpec } from '../bundle/manifest';
import type { Bundle } from '../bundle/open';
import { asStitchError, StitchError } from '../core/errors';
import { unitsOf } from '../model/units';
import type { CheckReport, DeviceLoss, LoadProgress } from './api';
import { checkRoutes, type CheckedRoute, type CheckTurns, reportOf } from './check';
import type { Executor } from './executor';
import type { Gaps } from './gaps';

/** How long after a failed call the news of a lost device may come. */
const LOSS_MS = 500;

export interface NetworkHooks {
  readonly phase: (phase: LoadProgress['phase']) => void;
  /** These routes can run from now on. */
  readonly unlocked: (routes: readonly string[], check: CheckReport) => void;
}

export class Network {
  readonly bundle: Bundle;
  readonly executor: Executor;
  private readonly gaps: Gaps;
  private readonly units = new Set<string>();
  private readonly built = new Set<string>();
  private readonly open = new Set<string>();
  private checked: readonly CheckedRoute[] = [];
  private vectors: Promise<CheckVectors> | undefined;

  constructor(bundle: Bundle, executor: Executor, gaps: Gaps) {
    this.bundle = bundle;
    this.executor = executor;
    this.gaps = gaps;
  }

  /** Ids of the routes that can run, in the manifest's order. */
  get ready(): readonly string[] {
    return this.bundle.manifest.routes.flatMap(({ id }) => (this.open.has(id) ? [id] : []));
  }

  /** The known-answer check so far. */
  get check(): CheckReport {
    return reportOf(this.executor, this.bundle.manifest.check.tolerance, this.checked);
  }

  /** Whether any unit of the shard is missing here. */
  lacks({ units }: ShardSpec): boolean {
    return units.some((unit) => !this.units.has(unit));
  }

  /**
   * Loads these shards and unlocks a route as soon as all it needs is there. Nothing is unlocked before at least one route has
   * given its known answers. Errors: those of the bundle and the executor, unsupported (wrong answers), device-lost, aborted.
   */
  async add(shards: readonly ShardSpec[], hooks: NetworkHooks, signal: AbortSignal): Promise<void> {
    const work = this.bundle.loadShards(
      shards.filter((shard) => this.lacks(shard)),
      async ({ units }, tensors) => {
        for (const unit of units) {
          await this.pause(signal);
          await this.executor.addUnits([unit], tensors, () => this.pause(signal));
          this.units.add(unit);
        }
        await this.unlock(hooks, signal);
      },
      signal,
    );
    await this.unlessLost(work);
    // A load that was given up may have brought all the units, and unlocked nothing.
    await this.unlessLost(this.unlock(hooks, signal));
  }

  /** All that can run now, checked anew. Errors: those of the bundle and the executor. */
  async checkAgain(): Promise<CheckReport> {
    const { manifest } = this.bundle;
    const vectors = await this.bundle.check();
    const rows = [...vectors.routes.keys()].filter((row) => this.open.has(vectors.routes[row] ?? ''));
    return reportOf(
      this.executor,
      vectors.tolerance,
      await checkRoutes(this.executor, manifest, vectors, rows, true, { step: (work) => work() }),
    );
  }

  private async unlock(hooks: NetworkHooks, signal: AbortSignal): Promise<void> {
    const { manifest } = this.bundle;
    const isNew = (route: RouteSpec) => !this.built.has(route.id) && unitsOf(route).every((unit) => this.units.has(unit));
    const fresh = manifest.routes.filter(isNew);
    if (fresh.length === 0 && this.built.size === this.open.size) return;
    hooks.phase('compile');
    for (const route of fresh) {
      await this.pause(signal);
      await this.executor.prepare([route]);
      this.built.add(route.id);
    }
    await this.checkNew(hooks, signal);
    hooks.phase('shards');
    if (this.checked.length === 0) return;
    const unlocked = [...this.built].filter((id) => !this.open.has(id));
    for (const id of unlocked) this.open.add(id);
    hooks.unlocked(unlocked, this.check);
  }

  private async checkNew(hooks: NetworkHooks, signal: AbortSignal): Promise<void> {
    const { manifest } = this.bundle;
    const done = new Set(this.checked.map(({ route }) => route));
    const rows = [...manifest.check.routes.keys()].filter((row) => {
      const id = manifest.check.routes[row] ?? '';
      return this.built.has(id) && !done.has(id);
    });
    if (rows.length === 0) {
      if (!this.check.passed) throw failedCheck(this.check);
      return;
    }
    hooks.phase('check');
    this.vectors ??= this.bundle.check(signal);
    this.vectors.catch(() => (this.vectors = undefined));
    const turns: CheckTurns = {
      step: (work) => {
        signal.throwIfAborted();
        return this.gaps.runStep(work);
      },
      pause: () => this.pause(signal),
    };
    const first = this.checked.length === 0;
    const found = await checkRoutes(this.executor, manifest, await this.vectors, rows, first, turns);
    this.checked = [...this.checked, ...found];
    if (!this.check.passed) throw failedCheck(this.check);
  }

  private async pause(signal: AbortSignal): Promise<void> {
    await this.gaps.pause();
    signal.throwIfAborted();
  }

  /** The work's outcome, or `device-lost` as soon as the device is. */
  private async unlessLost<T>(work: Promise<T>): Promise<T> {
    const { lost } = this.executor;
    if (lost === undefined) return work;
    const loss = lost.then((why): never => {
      throw deviceLost(why);
    });
    try {
      return await Promise.race([work, loss]);
    } catch (error) {
      // What fails on a lost device fails in many words.
      const { code } = asStitchError(error);
      if (code !== 'internal' && code !== 'shader' && code !== 'out-of-memory') throw error;
      await Promise.race([loss, new Promise((resolve) => setTimeout(resolve, LOSS_MS))]);
      throw error;
    }
  }
}

function deviceLost({ reason, message }: DeviceLoss): StitchError {
  return new StitchError('device-lost', `The GPU device was lost (${message || reason}).`, { reason });
}

function failedCheck(check: CheckReport): StitchError {
  const worst = Math.max(...check.routes.map((r) => r.maxAbsError));
  return new StitchError(
    'unsupported',
    `The ${check.executor} executor computes wrong answers on this device (logit error ${worst.toPrecision(2)} > ${check.tolerance}). Use backend "auto" to fall back.`,
    { executor: check.executor, worst },
  );
}
