/** The frame of every peer's worker: counts its GPU calls, reads the clock, hands over the answer. */
import { expose } from 'comlink';
import type { ModelDescription } from '../model';
import type { GpuCalls, Inference, OpenRequest, PeerWorker } from '../protocol';

/** One image in the forms that peers start from; what else a peer needs it makes in `prepare`, outside the timing. */
export interface Image {
  /** Normalised, [3, S, S]. */
  readonly pixels: Float32Array;
  /** RGB, [S, S, 3]. */
  readonly rgb: Uint8Array;
}

export interface Answer {
  /** [classes] */
  readonly values: Float32Array;
  readonly gpuMs?: number;
}

export interface Peer<Input> {
  prepare(image: Image): Input;
  run(input: Input): Promise<Answer>;
  readonly threads?: number;
}

/** A peer that is ready for its first image. */
export type OpenPeer<Input> = (request: OpenRequest, model: ModelDescription) => Promise<Peer<Input>>;

const ZERO = { dispatches: 0, submits: 0, bindGroups: 0, uploads: 0, buffers: 0 };
let calls = { ...ZERO };
let lastSubmit = 0;

/** Wraps `method` of a prototype, so that `then` runs after each call. */
function after(owner: object | undefined, method: string, then: () => void): void {
  const prototype = owner as Record<string, (...args: unknown[]) => unknown> | undefined;
  const original = prototype?.[method];
  if (prototype === undefined || original === undefined) return;
  prototype[method] = function (this: unknown, ...args: unknown[]) {
    const result = original.apply(this, args);
    then();
    return result;
  };
}

if ('GPUDevice' in globalThis) {
  const count = (name: keyof GpuCalls) => () => (calls[name] += 1);
  after(GPUComputePassEncoder.prototype, 'dispatchWorkgroups', count('dispatches'));
  after(GPUComputePassEncoder.prototype, 'dispatchWorkgroupsIndirect', count('dispatches'));
  after(GPUDevice.prototype, 'createBindGroup', count('bindGroups'));
  after(GPUDevice.prototype, 'createBuffer', count('buffers'));
  for (const upload of ['writeBuffer', 'writeTexture', 'copyExternalImageToTexture']) {
    after(GPUQueue.prototype, upload, count('uploads'));
  }
  after(GPUQueue.prototype, 'submit', () => {
    calls.submits += 1;
    lastSubmit = performance.now();
  });
}

export async function fetched(url: string): Promise<ArrayBuffer> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} was answered with ${response.status}.`);
  return await response.arrayBuffer();
}

export function serve<Input>(openPeer: OpenPeer<Input>): void {
  let peer: Peer<Input> | undefined;
  let inputs: Input[] = [];

  const infer = async (image: number): Promise<Inference> => {
    const input = inputs[image];
    if (peer === undefined || input === undefined) throw new Error(`There is no image ${image}, or open() has not run.`);
    calls = { ...ZERO };
    const start = performance.now();
    lastSubmit = start;
    const { values, gpuMs } = await peer.run(input);
    const ms = performance.now() - start;
    // The peer's own view may be on memory that its next run overwrites.
    const answer = values.slice();
    return { ms, encodeMs: lastSubmit - start, calls: { ...calls }, answer, ...(gpuMs === undefined ? {} : { gpuMs }) };
  };

  const worker: PeerWorker = {
    async open(request) {
      const model = JSON.parse(new TextDecoder().decode(await fetched(`${request.folder}model.json`))) as ModelDescription;
      const pixels = new Float32Array(await fetched(`${request.folder}pixels.bin`));
      const rgb = new Uint8Array(await fetched(`${request.folder}images.bin`));
      const length = 3 * model.size ** 2;
      const start = performance.now();
      const opened = await openPeer(request, model);
      const loadMs = performance.now() - start;
      peer = opened;
      inputs = Array.from({ length: pixels.length / length }, (_, i) =>
        opened.prepare({
          pixels: pixels.slice(i * length, (i + 1) * length), // [B, 3, S, S] -> [3, S, S]
          rgb: rgb.slice(i * length, (i + 1) * length), // [B, S, S, 3] -> [S, S, 3]
        }),
      );
      const { ms: firstMs } = await infer(0);
      await infer(0);
      return { loadMs, firstMs, threads: opened.threads ?? 1 };
    },
    infer,
  };
  expose(worker);
}

/** [3, S, S] -> [S, S, 3] */
export function channelsLast(pixels: Float32Array): Float32Array {
  const area = pixels.length / 3;
  const out = new Float32Array(pixels.length);
  for (let i = 0; i < area; i += 1) for (let c = 0; c < 3; c += 1) out[i * 3 + c] = pixels[c * area + i]!;
  return out;
}
