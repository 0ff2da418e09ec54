/** What page, workers and the program tell each other. Types only, but for the list of peers. */

/** Backends are compared among themselves: a row's ratio is to Running Stitch on the same one. */
export type Backend = 'webgpu' | 'wasm';
export type Engine = 'stitch' | 'ort' | 'litert' | 'tfjs';

export interface PeerSpec {
  readonly id: string;
  /** As the table calls it. */
  readonly title: string;
  readonly engine: Engine;
  readonly backend: Backend;
  /** Threads of its WASM; 1 elsewhere. */
  readonly threads?: number;
  /** The bundle's weights; the others have f32 files with the same values. */
  readonly weights?: 'int8';
  /** Of onnxruntime-web: the form of its ONNX file. Default: plain. On WASM both take the same time. */
  readonly attention?: 'plain' | 'fused';
  /** From RGBA pixels to the best five classes, as the product does it, instead of from prepared floats to logits. */
  readonly frame?: boolean;
}

export const PEERS: readonly PeerSpec[] = [
  { id: 'stitch-webgpu', title: 'Running Stitch, WebGPU', engine: 'stitch', backend: 'webgpu' },
  {
    id: 'stitch-webgpu-frame',
    title: 'Running Stitch, WebGPU, from RGBA to top 5',
    engine: 'stitch',
    backend: 'webgpu',
    frame: true,
  },
  { id: 'litert-webgpu', title: 'LiteRT.js, WebGPU (f32)', engine: 'litert', backend: 'webgpu' },
  { id: 'ort-webgpu', title: 'onnxruntime-web, WebGPU, graph capture', engine: 'ort', backend: 'webgpu' },
  {
    id: 'ort-webgpu-fused',
    title: 'onnxruntime-web, WebGPU, graph capture, fused attention',
    engine: 'ort',
    backend: 'webgpu',
    attention: 'fused',
  },
  { id: 'tfjs-webgpu', title: 'TensorFlow.js ops, WebGPU', engine: 'tfjs', backend: 'webgpu' },
  { id: 'stitch-wasm', title: 'Running Stitch, WASM fallback', engine: 'stitch', backend: 'wasm' },
  { id: 'litert-wasm', title: 'LiteRT.js, WASM', engine: 'litert', backend: 'wasm' },
  { id: 'ort-wasm-1', title: 'onnxruntime-web, WASM, 1 thread', engine: 'ort', backend: 'wasm' },
  { id: 'ort-wasm-2', title: 'onnxruntime-web, WASM, 2 threads', engine: 'ort', backend: 'wasm', threads: 2 },
  { id: 'tfjs-wasm', title: 'TensorFlow.js ops, WASM', engine: 'tfjs', backend: 'wasm' },
  {
    id: 'stitch-webgpu-int8',
    title: 'Running Stitch, WebGPU, int8 weights',
    engine: 'stitch',
    backend: 'webgpu',
    weights: 'int8',
  },
];

export interface OpenRequest {
  readonly peer: PeerSpec;
  /** Address of the network's folder, with a slash at its end. */
  readonly folder: string;
}

/** Calls of one inference, counted at the prototypes that every peer must go through. */
export interface GpuCalls {
  readonly dispatches: number;
  readonly submits: number;
  readonly bindGroups: number;
  /** writeBuffer, writeTexture, copyExternalImageToTexture. */
  readonly uploads: number;
  readonly buffers: number;
}

export interface Opened {
  /** Runtime and network, until it could take an image, ms. */
  readonly loadMs: number;
  /** The first inference, which compiles, ms. */
  readonly firstMs: number;
  /** Threads that the peer says it has. */
  readonly threads: number;
}

export interface Inference {
  /** From the call with the input in JavaScript to the answer in JavaScript. */
  readonly ms: number;
  /** From the call to the return of the last `queue.submit`; 0 without a GPU. */
  readonly encodeMs: number;
  /** By the peer's own timestamps, where it has them. */
  readonly gpuMs?: number;
  readonly calls: GpuCalls;
  /** [classes]; of a frame, softmax probabilities of the classes it named, and 0 for the others. */
  readonly answer: Float32Array;
}

/** What a worker exposes. */
export interface PeerWorker {
  /** Loads and runs twice: once to compile and once more for what the second run alone does (graph capture). */
  open(request: OpenRequest): Promise<Opened>;
  infer(image: number): Promise<Inference>;
}

export interface AdapterNote {
  readonly text: string;
  readonly software: boolean;
}

export interface PeersApi {
  adapter(): Promise<AdapterNote | undefined>;
  open(request: OpenRequest): Promise<Opened>;
  /** One inference; the answer as plain numbers, because pages hand over nothing else. */
  infer(id: string, image: number): Promise<Omit<Inference, 'answer'> & { readonly answer: readonly number[] }>;
  close(): void;
}

export interface PeersGlobals {
  peers: PeersApi;
}
