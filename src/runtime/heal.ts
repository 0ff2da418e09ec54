/**
 * An engine that mends itself. When its device is lost or its worker dies, a new worker loads the same bundle, from the store
 * where it can, up to the route that ran last; calls made meanwhile wait for it. What fails again and again is given up: the GPU
 * for the fallback, the worker for good.
 */
import { unlessAborted } from '../core/abort';
import { asStitchError, StitchError } from '../core/errors';
import type { ExecutorKind } from '../core/types';
import type { CheckReport, EngineFrame, EngineInfo, FrameResult, LoadStep } from '../engine/api';
import type { DeviceInfo } from './api';
import type { HostOptions } from './host-options';
import { createLink, type Link } from './link';
import { Loads } from './loads';
import { healing, type Loss, Losses, lossOf, ofLoad, unmended } from './losses';
import { untilVisible } from '../monitor/visibility';

/** Before a load is tried again that found no network. */
const NETWORK_WAITS_MS = [1000, 4000, 15_000];

export class EngineHost implements Pick<Link, 'classifyBatch' | 'calibrate' | 'selfCheck' | 'stats'> {
  private readonly options: HostOptions;
  private readonly losses = new Losses();
  private readonly excluded = new Set<ExecutorKind>();
  /** The engine that serves; undefined while there is none. */
  private link: Link | undefined;
  /** The worker that exists, serving or being loaded. */
  private newest: Link | undefined;
  private serving: Promise<Link>;
  private known: EngineInfo | undefined;
  private shown: DeviceInfo | undefined;
  private readonly loads = new Loads();
  private ended: StitchError | undefined;
  /** Aborted when it has ended. */
  private readonly life = new AbortController();

  constructor(options: HostOptions) {
    this.options = options;
    this.serving = this.open(undefined);
    this.serving.catch(() => {});
  }

  /** Resolves when the first routes can run. Errors: those of the engine's `load`, worker-died. */
  async started(): Promise<void> {
    await this.serving;
  }

  /** Of the engine that runs now, or ran last; `ready` and `check` as they are now. */
  get info(): EngineInfo {
    return present(this.known);
  }

  /** The same object until another engine runs. */
  get device(): DeviceInfo {
    return present(this.shown);
  }

  /** How many frames may be on their way at once: one while more is loading, which goes on in the gaps between frames. */
  get framesInFlight(): number {
    return !this.loads.active && this.link !== undefined ? this.info.framesInFlight : 1;
  }

  /** `route`: its id, which is waited for where a loss took it away; or what says the id, asked when the frame goes. */
  classify(frame: EngineFrame, route: string | (() => string), seq: number, signal?: AbortSignal): Promise<FrameResult> {
    const send = async (link: Link): Promise<FrameResult> => {
      if (typeof route === 'function') return link.classify(frame, route(), seq);
      await this.ready([route]);
      return link.classify(frame, route, seq);
    };
    return this.once([frame], send, signal);
  }

  classifyBatch(frames: readonly EngineFrame[], route: string): ReturnType<Link['classifyBatch']> {
    return this.once(frames, async (link) => {
      await this.ready([route]);
      return link.classifyBatch(frames, route);
    });
  }

  calibrate(routes: readonly string[], frames: number): ReturnType<Link['calibrate']> {
    return this.persistently(async (link) => {
      await this.ready(routes);
      return link.calibrate(routes, frames);
    });
  }

  selfCheck(): Promise<CheckReport> {
    return this.persistently((link) => link.selfCheck());
  }

  stats(): ReturnType<Link['stats']> {
    return this.persistently((link) => link.stats());
  }

  /** Loads the tiers up to `anchor`. Errors: those of the engine's `loadMore`; recoverable, since what was there stays. */
  async loadMore(anchor: string): Promise<void> {
    const load = this.loads.run(anchor, this.info.tiers, async (assertWanted) => {
      const { ready, check } = await this.persistently((link) => {
        assertWanted();
        return link.loadMore(anchor, (step) => this.step(link, step));
      });
      this.setReady(ready, check);
    });
    await load.catch((error: unknown) => Promise.reject(ofLoad(asStitchError(error), this.ended)));
  }

  /** Makes a running load reject with `aborted`. What is there stays, also through a loss. */
  cancelLoad(): void {
    if (this.known === undefined) return this.newest?.cancelLoad();
    this.loads.cancel(this.known);
    this.link?.cancelLoad();
  }

  /** Ends it for good, at once: nothing of it goes on, and every call rejects with `why`. */
  end(why: StitchError): void {
    this.finish(why);
    this.newest?.end(why);
  }

  /** Lets the engine free what it holds, and ends it for good. */
  async dispose(): Promise<void> {
    this.finish(new StitchError('disposed', 'This runtime was disposed. Make a new one with createRuntime().'));
    await this.newest?.dispose();
  }

  /** `work`'s outcome, or the end's error as soon as this ends. */
  unlessEnded<T>(work: Promise<T>): Promise<T> {
    return unlessAborted(work, this.life.signal, () => this.ended!);
  }

  private finish(why: StitchError): void {
    this.ended ??= why;
    this.life.abort();
  }

  /** The engine that serves, as soon as there is one. Healing may take until the page is shown, and nobody waits beyond the end. */
  private current(signal?: AbortSignal): Promise<Link> {
    if (this.link !== undefined) return this.serving;
    return unlessAborted(this.unlessEnded(this.serving), signal, cancelledFrame);
  }

  /** After a loss the routes come back one by one. */
  private async ready(routes: readonly string[]): Promise<void> {
    if (routes.some((id) => !this.info.ready.includes(id))) await this.loads.settled();
  }

  /** A call that takes frames along: they go down with the engine, so the next ones will be answered. */
  private async once<T>(frames: readonly EngineFrame[], call: (link: Link) => Promise<T>, signal?: AbortSignal): Promise<T> {
    let link: Link;
    try {
      link = await this.current(signal);
    } catch (error) {
      for (const frame of frames) if ('close' in frame) frame.close();
      throw error;
    }
    try {
      return await call(link);
    } catch (error) {
      throw this.noteFailure(link, asStitchError(error));
    }
  }

  /** A call that may simply be made again when its engine was lost. */
  private async persistently<T>(call: (link: Link) => Promise<T>): Promise<T> {
    for (;;) {
      const link = await this.current();
      try {
        return await call(link);
      } catch (error) {
        const known = this.noteFailure(link, asStitchError(error));
        if (known.detail['healing'] !== true) throw known;
      }
    }
  }

  /** Begins to heal where the engine is lost. The error as the caller should see it. */
  private noteFailure(link: Link, error: StitchError): StitchError {
    if (this.ended !== undefined) return this.ended;
    const loss = lossOf(error);
    if (loss === undefined) return error;
    this.heal(link, loss, error);
    return healing(error);
  }

  private heal(link: Link, loss: Loss, error: StitchError): void {
    if (this.ended !== undefined || this.link !== link) return;
    this.link = undefined;
    link.end(healing(error));
    const began = performance.now();
    const from = this.info.executor;
    this.options.onLost({ reason: String(error.detail['reason'] ?? error.code), message: error.message });
    const healed = (async () => {
      this.judge(loss, error);
      // A hidden page may be denied its GPU again, and nobody looks at it.
      await untilVisible();
      const next = await this.open(this.options.route());
      const { executor } = this.info;
      this.options.onHealed({ ms: performance.now() - began, why: error.code, from, executor });
      const { lost } = this.loads;
      const failed = (why: unknown): void => {
        if (this.ended === undefined) this.options.onError(asStitchError(why), false);
      };
      if (lost !== undefined) this.loadMore(lost).then(this.options.onReloaded, failed);
      return next;
    })().catch((why: unknown): never => {
      if (this.ended !== undefined) throw this.ended;
      const final = unmended(error, asStitchError(why));
      this.finish(final);
      this.options.onError(final, true);
      throw final;
    });
    this.serving = healed;
    healed.catch(() => {});
  }

  /** Loads until an engine serves. Errors: what cannot be mended. */
  private async open(resume: string | undefined): Promise<Link> {
    const { request, onProgress, onReady } = this.options;
    for (let tries = 0; ;) {
      if (this.ended !== undefined) throw this.ended;
      const link = createLink(this.options.worker());
      this.newest = link;
      try {
        const again = { exclude: [...this.excluded], hash: this.known?.bundle.hash };
        const info = await link.load({ ...request, ...again, ...(resume === undefined ? {} : { route: resume }) }, onProgress);
        if (this.ended !== undefined) throw this.ended;
        this.adopt(link, info);
        onReady();
        return link;
      } catch (error) {
        const known = asStitchError(error);
        link.end(known);
        if (this.ended !== undefined) throw this.ended;
        const wait = this.known === undefined || known.code !== 'network' ? undefined : NETWORK_WAITS_MS[tries];
        if (wait !== undefined) {
          tries += 1;
          await new Promise((resolve) => setTimeout(resolve, wait));
          continue;
        }
        const loss = lossOf(known);
        // A worker that never served (its script is blocked, say) will not serve at the second try either.
        if (loss === undefined || (loss === 'worker' && this.known === undefined)) throw known;
        this.judge(loss, known);
      }
    }
  }

  private adopt(link: Link, info: EngineInfo): void {
    if (this.known !== undefined && this.known.bundle.hash !== info.bundle.hash) {
      throw new StitchError(
        'bundle-integrity',
        'The bundle was changed on its server while it ran. Make a new runtime for the new one.',
      );
    }
    this.known = info;
    const { executor, reason, adapter } = info;
    this.shown = { executor, reason, ...(adapter ? { adapter } : {}) };
    this.link = link;
    link.whenLost().then(
      (loss) => {
        const text = `The GPU device was lost (${loss.message || loss.reason}).`;
        this.heal(link, 'device', new StitchError('device-lost', text, { reason: loss.reason }));
      },
      (error: unknown) => void this.noteFailure(link, asStitchError(error)),
    );
  }

  /** Counts a loss. Errors: of `error`'s code, where it is not worth another try. */
  private judge(loss: Loss, error: StitchError): void {
    const canDemote =
      this.options.request.backend === 'auto' && !this.excluded.has('webgpu') && this.known?.executor !== 'wasm';
    const verdict = this.losses.note(loss, performance.now(), canDemote);
    if (verdict === 'stop') {
      const what = loss === 'wrong-answers' ? '' : ' This happened again and again within a minute, so it is given up.';
      throw new StitchError(error.code, `${error.message}${what}`, error.detail, error);
    }
    if (verdict === 'demote') this.excluded.add('webgpu');
  }

  private step(link: Link, { progress, unlocked, check }: LoadStep): void {
    if (link !== this.link) return;
    this.options.onProgress(progress);
    this.setReady(unlocked, check);
  }

  private setReady(more: readonly string[], check: CheckReport = this.info.check): void {
    const { ready } = this.info;
    const fresh = more.filter((id) => !ready.includes(id));
    if (fresh.length === 0) return;
    this.known = { ...this.info, check, ready: [...ready, ...fresh] };
    this.options.onReady();
  }
}

const cancelledFrame = (): StitchError => new StitchError('aborted', 'The frame was aborted by its caller.');

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('The engine has not started.');
  return value;
}
