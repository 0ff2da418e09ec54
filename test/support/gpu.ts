/** A real device for a test body: validation errors fail the test, everything made is freed with the device. */
import { expect } from 'vitest';
import { requestDevice } from '../../src/gpu/device';
import { type Kernel, newCounters, bind, createPipelineCache } from '../../src/gpu/kernel';

/** The software adapter passes for a real one, called acme, which gets kernels that a software one does not. Returns the way back. */
export function pretendHardware(): () => void {
  const own = Object.getOwnPropertyDescriptor(GPUAdapter.prototype, 'info')!;
  Object.defineProperty(GPUAdapter.prototype, 'info', {
    configurable: true,
    get: () => ({ vendor: 'acme', architecture: 'one', description: '', device: '', isFallbackAdapter: false }),
  });
  return () => Object.defineProperty(GPUAdapter.prototype, 'info', own);
}

/**
 * A missing adapter is a failure, never a skip: these tests are the proof of the GPU path. `special`: with the features that a real
 * adapter is asked for.
 */
export async function withDevice(
  body: (device: GPUDevice) => Promise<void>,
  { special = false }: { readonly special?: boolean } = {},
): Promise<void> {
  const undo = special ? pretendHardware() : () => {};
  const { device } = await requestDevice().finally(undo);
  device.pushErrorScope('out-of-memory');
  device.pushErrorScope('validation');
  try {
    await body(device);
    const validation = await device.popErrorScope();
    const memory = await device.popErrorScope();
    expect(validation?.message).toBeUndefined();
    expect(memory?.message).toBeUndefined();
  } finally {
    device.destroy();
  }
}

/** A storage buffer filled with `data`. */
export function upload(device: GPUDevice, data: ArrayBufferView): GPUBuffer {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const size = Math.max(16, Math.ceil(data.byteLength / 16) * 16);
  const buffer = device.createBuffer({ size, usage });
  const padded = new Uint8Array(size);
  padded.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  device.queue.writeBuffer(buffer, 0, padded);
  return buffer;
}

/** The first `bytes` of a buffer. */
export async function download(device: GPUDevice, buffer: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
  const staging = device.createBuffer({ size: bytes, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, bytes);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const copy = staging.getMappedRange().slice(0);
  staging.destroy();
  return copy;
}

/** Runs one kernel once. */
export async function dispatch(
  device: GPUDevice,
  kernel: Kernel,
  resources: readonly (GPUBuffer | GPUTextureView)[],
  workgroups: number,
): Promise<void> {
  const counters = newCounters();
  const pipeline = await createPipelineCache(device, counters).get(kernel);
  const ranges = resources.map((r) => (r instanceof GPUBuffer ? { buffer: r } : r));
  const group = bind(device, counters, pipeline, ranges);
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(workgroups);
  pass.end();
  device.queue.submit([encoder.finish()]);
}

/** Seeded values, roughly normal, mean 0, standard deviation `scale`. */
export function random(count: number, seed: number, scale = 1): Float32Array {
  let state = seed >>> 0 || 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Float32Array.from({ length: count }, () => (next() + next() + next() + next() - 2) * 1.732 * scale);
}
