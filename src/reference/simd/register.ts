/**
 * This project's kernels in front of tfjs' WASM backend (ops.ts says what each computes). They run in the backend's own memory on
 * the caller's thread, in WebAssembly SIMD: with relaxed SIMD where the browser has it, for the fused multiply-add.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { RELAXED_SIMD, SIMD } from './binaries';

/** Names in tfjs' registry of kernels. */
export const LINEAR = 'StitchableLinear';
export const LAYER_NORM = 'StitchableLayerNorm';
export const ATTENTION = 'StitchableAttention';

/** Columns of a panel of weights. */
export const PANEL = 8;

/** Addresses are bytes in the backend's memory; see assembly/index.ts. */
interface Kernels {
  linear(x: number, panels: number, bias: number, residual: number, out: number, rows: number, inner: number, columns: number, gelu: boolean): void; // prettier-ignore
  layerNorm(x: number, gain: number, bias: number, out: number, rows: number, dim: number, eps: number): void;
  attentionScratch(tokens: number, headDim: number): number;
  attention(qkv: number, out: number, scratch: number, batch: number, tokens: number, heads: number, headDim: number): void;
}

const compiled = new WeakMap<BackendWasm, Kernels>();

const bytesOf = (base64: string) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

/**
 * Registers the kernels for the current WASM backend. Where the browser has no SIMD, or this tfjs keeps its memory to itself, nothing
 * is registered and tfjs' own kernels do the work.
 */
export async function registerSimd(): Promise<void> {
  const backend = tf.backend() as BackendWasm;
  if (compiled.has(backend)) return;
  const binary = [RELAXED_SIMD, SIMD].map(bytesOf).find((bytes) => WebAssembly.validate(bytes));
  const { memory } = (backend.wasm as { asm?: { memory?: unknown } }).asm ?? {};
  if (binary === undefined || !(memory instanceof WebAssembly.Memory)) return;
  const { instance } = await WebAssembly.instantiate(binary, { env: { memory } });
  compiled.set(backend, instance.exports as unknown as Kernels);
  if (tf.getKernel(LINEAR, 'wasm') === undefined) KERNELS.forEach((kernel) => tf.registerKernel(kernel));
}

type Inputs = Record<string, tf.TensorInfo>;
interface Call<Attributes> {
  readonly kernels: Kernels;
  readonly backend: BackendWasm;
  readonly inputs: Inputs;
  readonly attributes: Attributes;
  /** Where a tensor's numbers are; 0 for none. */
  readonly at: (tensor: tf.TensorInfo | undefined) => number;
}

const kernel = <Attributes>(kernelName: string, run: (call: Call<Attributes>) => tf.TensorInfo): tf.KernelConfig => ({
  kernelName,
  backendName: 'wasm',
  kernelFunc: ({ inputs, attrs, backend }) => {
    const own = backend as BackendWasm;
    const at: Call<Attributes>['at'] = (tensor) => (tensor === undefined ? 0 : own.getMemoryOffset(tensor.dataId));
    const kernels = compiled.get(own)!;
    return run({ kernels, backend: own, inputs: inputs as Inputs, attributes: attrs as unknown as Attributes, at });
  },
});

const KERNELS = [
  kernel<{ out: number; gelu: boolean }>(LINEAR, ({ kernels, backend, inputs, attributes, at }) => {
    const { x, panels, bias, residual } = inputs as { x: tf.TensorInfo; panels: tf.TensorInfo } & Inputs;
    const [rows = 0, inner = 0] = x.shape;
    const out = backend.makeOutput([rows, attributes.out], 'float32');
    kernels.linear(at(x), at(panels), at(bias), at(residual), at(out), rows, inner, attributes.out, attributes.gelu);
    return out;
  }),
  kernel<{ eps: number }>(LAYER_NORM, ({ kernels, backend, inputs, attributes, at }) => {
    const { x, gain, bias } = inputs as { x: tf.TensorInfo } & Inputs;
    const [rows = 0, dim = 0] = x.shape;
    const out = backend.makeOutput(x.shape, 'float32');
    kernels.layerNorm(at(x), at(gain), at(bias), at(out), rows, dim, attributes.eps);
    return out;
  }),
  kernel<{ heads: number; batch: number }>(ATTENTION, ({ kernels, backend, inputs, attributes, at }) => {
    const { heads, batch } = attributes;
    const { qkv } = inputs as { qkv: tf.TensorInfo };
    const [rows = 0, width = 0] = qkv.shape;
    const [tokens, headDim] = [rows / batch, width / (3 * heads)];
    const out = backend.makeOutput([rows, width / 3], 'float32');
    const scratch = backend.makeOutput([kernels.attentionScratch(tokens, headDim)], 'float32');
    kernels.attention(at(qkv), at(out), at(scratch), batch, tokens, heads, headDim);
    backend.disposeData(scratch.dataId);
    return out;
  }),
];
