/**
 * A bundle by its manifest's URL: manifest and labels now, shards on demand, from the store or else from the network. The
 * manifest comes from the network first, because it says what is current; its last copy serves where there is no network, and to
 * open again what has run already.
 */
import { StitchError } from '../core/errors';
import { abortable, throwIfAborted } from './abort';
import { readCheck, readLabels, type CheckVectors } from './contents';
import { fetchFile, fetchJson, type RetryPolicy } from './fetch';
import { bundleHash } from './hash';
import type { FileRef, Manifest, ShardSpec } from './manifest';
import { ProgressMeter, type BundleProgress } from './progress';
import { parseSafetensors, type Tensors } from './safetensors';
import { type KeptManifest, openStore, type ShardStore } from './store';
import { validateManifest } from './validate';

export interface OpenOptions {
  /** Hash of the bundle that is wanted: a kept manifest of this hash serves, and the server is not asked. Default: the current one. */
  readonly hash?: string | undefined;
  /** Keep and look for files in IndexedDB. Default true. */
  readonly cache?: boolean | undefined;
  /** Aborts everything this bundle ever loads, opening included. */
  readonly signal?: AbortSignal | undefined;
  /** Called for every piece that arrives, in bytes; the caller thins it out. */
  readonly onProgress?: ((progress: BundleProgress) => void) | undefined;
  /** Default: the shared store. */
  readonly store?: ShardStore | undefined;
  readonly retry?: Partial<RetryPolicy> | undefined;
}

/** Takes over one shard. The next but one starts to load when the returned promise has resolved. */
export type OnShard = (spec: ShardSpec, tensors: Tensors) => void | Promise<void>;

export interface Bundle {
  /** Absolute, after redirects; the files are relative to it. */
  readonly url: string;
  readonly manifest: Manifest;
  /** One string a class, in class order. */
  readonly labels: readonly string[];
  /** Where the manifest came from: `store` where there was no network, or where a kept one was asked for. */
  readonly manifestFrom: 'network' | 'store';
  /** Says which shards will be loaded, so that progress counts towards their sum. Before the first call it is all of them. */
  plan(shards: readonly ShardSpec[]): void;
  /** Errors: network, bundle-integrity, bundle-invalid, unsupported, aborted. */
  loadShard(spec: ShardSpec, signal?: AbortSignal): Promise<Tensors>;
  /**
   * Hands over these shards in their order, with at most two in memory: one handed over, one on its way. The bundle keeps
   * none. Errors: as `loadShard`, and whatever `onShard` throws; nothing is handed over afterwards.
   */
  loadShards(shards: readonly ShardSpec[], onShard: OnShard, signal?: AbortSignal): Promise<void>;
  /** Every shard of the manifest, as `loadShards`. */
  loadAll(onShard: OnShard, signal?: AbortSignal): Promise<void>;
  /** Keeps the manifest for a start without network. Worth it once its files are kept, too. Never rejects. */
  keepManifest(): Promise<void>;
  /** Errors: as `loadShard`. */
  check(signal?: AbortSignal): Promise<CheckVectors>;
  /** Why the files are not cached, where caching was asked for and does not work. */
  readonly cacheProblem: string | undefined;
}

/** Thousands of routes are about a megabyte of text. */
const MANIFEST_LIMIT = 2 ** 24;
const IN_FLIGHT = 2;
/** With a copy of the manifest at hand the network gets less patience. */
const IMPATIENT: Partial<RetryPolicy> = { attempts: 2, stallMs: 5000 };

/**
 * Opens a bundle. A relative URL is taken relative to the page or worker.
 * Errors: argument-invalid, network, bundle-invalid, bundle-integrity, unsupported (no secure context), aborted.
 */
export async function openBundle(manifestUrl: string | URL, options: OpenOptions = {}): Promise<Bundle> {
  const address = absolute(manifestUrl);
  const store = options.cache === false ? undefined : (options.store ?? openStore());
  const found = await findManifest(address, store, options);
  const bundle = new OpenBundle(found, address, store, options);
  await bundle.readLabels();
  return bundle;
}

interface FoundManifest {
  readonly manifest: Manifest;
  /** After redirects. */
  readonly url: string;
  readonly from: 'network' | 'store';
}

async function findManifest(address: string, store: ShardStore | undefined, options: OpenOptions): Promise<FoundManifest> {
  const { hash, signal, retry } = options;
  const kept = await abortable(Promise.resolve(store?.manifest(address)), signal);
  // Its files are known by their hashes, too, so whatever the server has by now, this is the same bundle.
  if (kept !== undefined && hash !== undefined && (await bundleHash(kept.json)) === hash) return fromStore(kept);
  const patience = kept === undefined ? retry : { ...IMPATIENT, ...retry };
  try {
    const { json, url } = await fetchJson(address, { limit: MANIFEST_LIMIT, signal, retry: patience });
    return { manifest: validateManifest(json, url), url, from: 'network' };
  } catch (error) {
    if (kept === undefined || !isUnreachable(error)) throw error;
    return fromStore(kept);
  }
}

const fromStore = ({ json, url }: KeptManifest): FoundManifest => ({
  manifest: validateManifest(json, url),
  url,
  from: 'store',
});

/** No answer at all. A server that answers, if only with 404, knows better than a copy. */
function isUnreachable(error: unknown): boolean {
  return error instanceof StitchError && error.code === 'network' && error.detail['status'] === undefined;
}

function absolute(url: string | URL): string {
  try {
    // `location` is missing in Node.
    return new URL(url, (globalThis as { location?: { href: string } }).location?.href).href;
  } catch (error) {
    throw new StitchError(
      'argument-invalid',
      `The manifest's address "${String(url)}" is no URL. Pass an absolute one.`,
      {},
      error,
    );
  }
}

class OpenBundle implements Bundle {
  labels: readonly string[] = [];
  readonly url: string;
  readonly manifest: Manifest;
  readonly manifestFrom: 'network' | 'store';
  /** Before redirects: what the manifest is kept under. */
  private readonly address: string;
  private readonly options: OpenOptions;
  private readonly store: ShardStore | undefined;
  private readonly meter: ProgressMeter;
  /** Hashes of this bundle: what is not dropped to make room. */
  private readonly own: ReadonlySet<string>;
  private full = false;

  constructor({ manifest, url, from }: FoundManifest, address: string, store: ShardStore | undefined, options: OpenOptions) {
    const files = [manifest.labels, ...manifest.shards, manifest.check];
    this.manifest = manifest;
    this.url = url;
    this.manifestFrom = from;
    this.address = address;
    this.options = options;
    this.store = store;
    this.meter = new ProgressMeter(files, options.onProgress);
    this.own = new Set(files.map(({ sha256 }) => sha256));
  }

  get cacheProblem(): string | undefined {
    return this.store?.problem ?? (this.full ? 'the browser grants no more room' : undefined);
  }

  async readLabels(): Promise<void> {
    this.meter.report();
    const { labels, classes } = this.manifest;
    this.labels = readLabels(await this.loadFile(labels, this.options.signal), labels.file, classes);
  }

  async loadShard(spec: ShardSpec, signal?: AbortSignal): Promise<Tensors> {
    return parseSafetensors(await this.withSignal(signal, (both) => this.loadFile(spec, both)), spec.file);
  }

  async check(signal?: AbortSignal): Promise<CheckVectors> {
    const bytes = await this.withSignal(signal, (both) => this.loadFile(this.manifest.check, both));
    return readCheck(bytes, this.manifest);
  }

  plan(shards: readonly ShardSpec[]): void {
    const { labels, check } = this.manifest;
    this.meter.plan([labels, ...shards, check]);
  }

  async keepManifest(): Promise<void> {
    if (this.manifestFrom === 'network') await this.store?.keepManifest(this.address, { json: this.manifest, url: this.url });
  }

  loadAll(onShard: OnShard, signal?: AbortSignal): Promise<void> {
    return this.loadShards(this.manifest.shards, onShard, signal);
  }

  loadShards(shards: readonly ShardSpec[], onShard: OnShard, signal?: AbortSignal): Promise<void> {
    return this.withSignal(signal, async (both, stop) => {
      const pending: Promise<Tensors>[] = [];
      const start = () => {
        const spec = shards[started++];
        if (spec === undefined) return;
        const shard = this.loadFile(spec, both).then((bytes) => parseSafetensors(bytes, spec.file));
        // Its failure is reported when its turn comes, or never when an earlier one ends it all.
        shard.catch(() => undefined);
        pending.push(shard);
      };
      let started = 0;
      try {
        for (let i = 0; i < IN_FLIGHT; i++) start();
        for (const spec of shards) {
          // The queue lets go of the shard before it is handed over.
          const tensors = await pending.shift()!;
          throwIfAborted(both);
          await abortable(Promise.resolve(onShard(spec, tensors)), both);
          start();
        }
      } finally {
        stop();
      }
    });
  }

  /** Verified bytes of a file: store, else network and then store. */
  private async loadFile(ref: FileRef, signal: AbortSignal | undefined): Promise<Uint8Array<ArrayBuffer>> {
    throwIfAborted(signal);
    const { file, bytes: size, sha256 } = ref;
    const kept = await abortable(Promise.resolve(this.store?.get(ref)), signal);
    this.meter.restart(file);
    if (kept?.bytes !== undefined) {
      this.meter.add(file, size, true);
      return kept.bytes;
    }
    const onBytes = (delta: number) => this.meter.add(file, delta, false);
    const url = new URL(file, this.url).href;
    const bytes = await fetchFile(url, { bytes: size, sha256, signal, onBytes, retry: this.options.retry });
    // Awaited, so that "loaded" means "kept", and that the bytes are not held by a queue of writes. A write that has begun
    // is finished even after an abort: the bytes are verified and the next load is glad of them.
    if ((await abortable(Promise.resolve(this.store?.put(sha256, bytes, this.own)), signal)) === 'quota') this.full = true;
    return bytes;
  }

  /** Runs `work` under the bundle's signal, the call's, and its own `stop`. */
  private async withSignal<T>(
    signal: AbortSignal | undefined,
    work: (both: AbortSignal, stop: () => void) => Promise<T>,
  ): Promise<T> {
    // AbortSignal.any is too young for some browsers that this runs in.
    const controller = new AbortController();
    const sources = [this.options.signal, signal].filter((source) => source !== undefined);
    const listeners = sources.map((source) => [source, () => controller.abort(source.reason)] as const);
    for (const [source, onAbort] of listeners) {
      if (source.aborted) onAbort();
      else source.addEventListener('abort', onAbort, { once: true });
    }
    try {
      return await work(controller.signal, () => controller.abort());
    } finally {
      for (const [source, onAbort] of listeners) source.removeEventListener('abort', onAbort);
    }
  }
}
