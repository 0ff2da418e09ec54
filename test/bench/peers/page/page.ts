/** The page behind `npm run bench:peers`: one worker a peer, asked in turn. */
import { wrap, type Remote } from 'comlink';
import { isSoftwareAdapter } from '../../../../src/core/adapter';
import type { Engine, PeersGlobals, PeerWorker } from '../protocol';

// Written out one by one: the bundler recognises only this form. LiteRT.js is built apart, as a classic script.
const START: Record<Engine, () => Worker> = {
  stitch: () => new Worker(new URL('../workers/stitch.ts', import.meta.url), { type: 'module' }),
  ort: () => new Worker(new URL('../workers/ort.ts', import.meta.url), { type: 'module' }),
  tfjs: () => new Worker(new URL('../workers/tfjs.ts', import.meta.url), { type: 'module' }),
  litert: () => new Worker(new URL('litert.js', document.baseURI)),
};

interface Running {
  readonly worker: Worker;
  readonly remote: Remote<PeerWorker>;
  /** Rejects when the worker's script fails outside a call. */
  readonly failed: Promise<never>;
}
const running = new Map<string, Running>();

(globalThis as unknown as PeersGlobals).peers = {
  async adapter() {
    const adapter = await (navigator as Partial<Navigator>).gpu?.requestAdapter();
    if (!adapter) return undefined;
    const { vendor, architecture, description } = adapter.info;
    const features = ['shader-f16', 'subgroups'].filter((feature) => adapter.features.has(feature));
    const text = [vendor, architecture, description, features.length > 0 ? `with ${features.join(', ')}` : ''];
    return { text: text.filter(Boolean).join(' '), software: isSoftwareAdapter(adapter.info) };
  },
  async open(request) {
    const worker = START[request.peer.engine]();
    const failed = new Promise<never>((_, reject) => {
      worker.addEventListener('error', (event) => reject(new Error(event.message || 'The worker did not start.')));
    });
    failed.catch(() => {});
    const remote = wrap<PeerWorker>(worker);
    running.set(request.peer.id, { worker, remote, failed });
    return await Promise.race([remote.open(request), failed]);
  },
  async infer(id, image) {
    const peer = running.get(id);
    if (peer === undefined) throw new Error(`${id} is not open.`);
    const { answer, ...rest } = await Promise.race([peer.remote.infer(image), peer.failed]);
    return { ...rest, answer: [...answer] };
  },
  close() {
    for (const { worker } of running.values()) worker.terminate();
    running.clear();
  },
};
