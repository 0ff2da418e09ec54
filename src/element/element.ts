/** `<running-stitch src budget-ms source>`: a classifier as one tag. See docs/embed.md. */
import { asStitchError, type StitchError } from '../core/errors';
import type { Budget } from '../core/types';
import type { LoadProgress } from '../engine/api';
import type { Runtime } from '../runtime/api';
import { lease, type Lease, type LeaseSource } from '../shared/lease';
import { MirroringElement, type SourceKind, upgrade } from './attributes';
import { closeCamera, openCamera } from './camera';
import { pictureIn } from './children';
import type { ElementState, RunningStitchEventMap } from './events';
import { createView, type View } from './view';

/** Starts this far before it is scrolled into sight. */
const NEAR = '200px';

export class RunningStitchElement extends MirroringElement {
  #view: View | undefined;
  #seen: IntersectionObserver | undefined;
  #children: MutationObserver | undefined;
  #visible = false;
  #state: ElementState = 'idle';
  #runtime: Runtime | undefined;
  /** One start; aborted by whatever makes it stale. */
  #run: AbortController | undefined;
  #lease: Lease | undefined;
  #watch: { readonly source: LeaseSource; readonly stop: () => void } | undefined;
  #restarting = false;
  #begunWith: SourceKind | undefined;

  /** Mirrored by the attribute `state`, for styles. */
  get state(): ElementState {
    return this.#state;
  }
  /** The network, from the event `ready` on; shared with the elements of the same `src`, `backend`, `maxAnchor` and `cache`. */
  get runtime(): Runtime | undefined {
    return this.#runtime;
  }

  connectedCallback(): void {
    upgrade(this);
    // A move within the page: everything goes on.
    if (this.#seen !== undefined) return;
    this.#view ??= createView(this);
    this.#setState('idle');
    this.#seen = new IntersectionObserver((entries) => this.#onSeen(entries.at(-1)?.isIntersecting === true), {
      rootMargin: NEAR,
    });
    this.#seen.observe(this);
    this.#children = new MutationObserver(() => this.#onChildren());
    this.#children.observe(this, { childList: true, subtree: true });
    if (this.loading === 'eager') this.#restart();
  }

  disconnectedCallback(): void {
    // A move within the page takes the element out and puts it back in one go.
    queueMicrotask(() => this.isConnected || this.#leave());
  }

  #leave(): void {
    this.#seen?.disconnect();
    this.#seen = undefined;
    this.#children?.disconnect();
    this.#visible = false;
    this.#end();
    this.#view?.stop();
    this.#setState('idle');
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after || !this.isConnected || this.#view === undefined) return;
    // Nothing is left that could be told of a change, which may well have mended it.
    if (this.#state === 'error') this.#restart();
    else if (name === 'budget-ms' || name === 'energy') this.#applyBudget();
    else if (name !== 'loading' || (this.loading === 'eager' && this.#run === undefined)) this.#restart();
  }

  /** Starts anew, after an error for example. */
  restart(): void {
    this.#restart();
  }

  #onSeen(visible: boolean): void {
    this.#visible = visible;
    if (this.#run === undefined) {
      if (visible && this.#state === 'idle') this.#restart();
    } else this.#watchIfWanted();
  }

  #onChildren(): void {
    if (this.source === 'camera' || this.#begunWith === undefined) return;
    if (this.source !== this.#begunWith) return this.#restart();
    // A still image would be answered anew, and the page may have changed its children because of the last answer.
    if (this.#picture() === this.#watch?.source) return;
    this.#stopWatching();
    this.#watchIfWanted();
  }

  /** Several attributes that change together start one run. */
  #restart(): void {
    this.#end();
    if (this.#restarting) return;
    this.#restarting = true;
    queueMicrotask(() => {
      this.#restarting = false;
      if (!this.isConnected) return;
      // The children that say what to look at may not be parsed yet.
      const early = document.readyState === 'loading' && this.source === 'camera' && !this.hasAttribute('source');
      if (early) document.addEventListener('DOMContentLoaded', () => this.#restart(), { once: true });
      else if (this.src !== '' && (this.#visible || this.loading === 'eager')) void this.#begin();
      else this.#rest();
    });
  }

  /** Until it comes into sight, or is told what to load. */
  #rest(): void {
    this.#view?.showAnswer(undefined);
    this.#view?.showStatus('');
    this.#view?.showCamera(false);
    this.#setState('idle');
  }

  async #begin(): Promise<void> {
    const run = new AbortController();
    this.#run = run;
    this.#begunWith = this.source;
    const view = this.#view;
    if (view === undefined) return;
    this.#setState('loading');
    view.showAnswer(undefined);
    view.showStatus('Loading');
    try {
      this.#lease = lease({
        bundle: this.src,
        backend: this.backend,
        cache: this.cache === 'on',
        maxAnchor: this.maxAnchor || undefined,
        budget: this.#budget(),
        onProgress: (progress) => run.signal.aborted || this.#onProgress(progress),
      });
      const camera = this.source === 'camera' ? openCamera(view.camera, run.signal, (error) => this.#fail(error)) : undefined;
      view.showCamera(camera !== undefined);
      const [runtime] = await Promise.all([this.#lease.ready, camera]);
      if (run.signal.aborted) return;
      this.#runtime = runtime;
      const offs = [
        runtime.on('switch', (decision) => this.#emit('switch', decision)),
        runtime.on('progress', (progress) => this.#emit('progress', progress)),
        // Said even where no frame is under way.
        runtime.on('error', (error) => error.recoverable || this.#fail(error)),
      ];
      run.signal.addEventListener('abort', () => offs.forEach((off) => off()));
      view.showStatus('');
      this.#setState('paused');
      this.#emit('ready', runtime);
      this.#watchIfWanted();
    } catch (error) {
      if (!run.signal.aborted) this.#fail(asStitchError(error));
    }
  }

  /** Out of sight nothing is classified; the network stays loaded. */
  #watchIfWanted(): void {
    if (this.#runtime === undefined || this.#lease === undefined) return;
    if (!this.#visible) {
      this.#stopWatching();
      return;
    }
    if (this.#watch !== undefined) return;
    const source = this.#picture();
    if (source === undefined) {
      this.#view?.showStatus(`Put ${this.source === 'img' ? 'an <img>' : 'a <video>'} inside the element.`);
      return;
    }
    this.#view?.showStatus('');
    const stop = this.#lease.watch(source, {
      onResult: (result) => {
        this.#view?.showStatus('');
        this.#view?.showAnswer(result.top[0]);
        this.#emit('result', result);
      },
      onError: (error, final) => {
        if (final) return this.#fail(error);
        // A picture that stands still is not tried again by itself.
        if (source instanceof HTMLImageElement) this.#view?.showStatus(error.message);
        this.#emit('error', error);
      },
    });
    this.#watch = { source, stop };
    this.#setState('running');
  }

  #stopWatching(): void {
    this.#watch?.stop();
    this.#watch = undefined;
    if (this.#state === 'running') this.#setState('paused');
  }

  #picture(): LeaseSource | undefined {
    return this.source === 'camera' ? this.#view?.camera : pictureIn(this, this.source);
  }

  #onProgress(progress: LoadProgress): void {
    const { phase, bytesLoaded, bytesTotal } = progress;
    const share = phase === 'shards' && bytesTotal > 0 ? ` ${Math.round((bytesLoaded / bytesTotal) * 100)} %` : '';
    if (this.#state === 'loading') this.#view?.showProgress(`Loading${share}`);
    this.#emit('progress', progress);
  }

  #budget(): Partial<Budget> {
    const latency = this.hasAttribute('budget-ms') ? { latencyMs: this.budgetMs } : {};
    return this.hasAttribute('energy') ? { ...latency, energy: this.energy } : latency;
  }

  #applyBudget(): void {
    try {
      if (this.#lease) this.#lease.budget = this.#budget();
    } catch (error) {
      this.#emit('error', asStitchError(error));
    }
  }

  /** Lets go of frames, camera and network. */
  #end(): void {
    this.#run?.abort();
    this.#run = undefined;
    this.#runtime = undefined;
    this.#stopWatching();
    this.#lease?.release();
    this.#lease = undefined;
    if (this.#view) closeCamera(this.#view.camera);
  }

  #fail(error: StitchError): void {
    this.#end();
    this.#view?.showStatus(error.message);
    this.#setState('error');
    this.#emit('error', error);
  }

  #setState(state: ElementState): void {
    if (state === this.#state && this.getAttribute('state') === state) return;
    this.#state = state;
    this.setAttribute('state', state);
    this.setAttribute('aria-busy', String(state === 'loading'));
    this.#emit('statechange', state);
  }

  #emit<K extends keyof RunningStitchEventMap>(type: K, detail: RunningStitchEventMap[K]['detail']): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
