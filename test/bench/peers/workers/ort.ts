/** onnxruntime-web, from its own files as published: `vendor/ort/` beside this script. */
import type * as Ort from 'onnxruntime-web';
import type { ModelDescription } from '../model';
import type { OpenRequest, PeerSpec } from '../protocol';
import { fetched, type Peer, serve } from './serve';

/** One file a form of attention; which one a backend gets is said in `PEERS`. */
const fileOf = ({ attention = 'plain' }: PeerSpec): string => `model.${attention}.onnx`;

const VENDOR = new URL('../vendor/ort/', location.href).href;

async function load(file: string): Promise<typeof Ort> {
  const ort = (await import(/* @vite-ignore */ VENDOR + file)) as typeof Ort;
  ort.env.wasm.wasmPaths = VENDOR;
  return ort;
}

serve<Float32Array>(async (request, model) =>
  request.peer.backend === 'webgpu' ? await openGpu(request, model) : await openWasm(request, model),
);

async function openWasm({ peer, folder }: OpenRequest, { size }: ModelDescription): Promise<Peer<Float32Array>> {
  const ort = await load('ort.wasm.min.mjs');
  const threads = peer.threads ?? 1;
  ort.env.wasm.numThreads = threads;
  const session = await ort.InferenceSession.create(await fetched(folder + fileOf(peer)), { executionProviders: ['wasm'] });
  return {
    threads,
    prepare: ({ pixels }) => pixels,
    async run(pixels) {
      const { logits } = await session.run({ pixels: new ort.Tensor('float32', pixels, [1, 3, size, size]) });
      if (logits === undefined) throw new Error('onnxruntime-web gave no logits.');
      return { values: logits.data as Float32Array };
    },
  };
}

/** Graph capture wants input and output in buffers that stay the same, so upload and read-back are ours. */
async function openGpu({ peer, folder }: OpenRequest, { size, classes }: ModelDescription): Promise<Peer<Float32Array>> {
  const ort = await load('ort.webgpu.min.mjs');
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(await fetched(folder + fileOf(peer)), {
    // It forwards graph capture only where the provider is given as an object.
    executionProviders: [{ name: 'webgpu' }],
    enableGraphCapture: true,
    preferredOutputLocation: 'gpu-buffer',
  });
  const device = (await ort.env.webgpu.device) as unknown as GPUDevice;
  const buffer = (bytes: number, usage: number) => device.createBuffer({ size: Math.ceil(bytes / 16) * 16, usage });
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const input = buffer(3 * size * size * 4, STORAGE | COPY_SRC | COPY_DST);
  const output = buffer(classes * 4, STORAGE | COPY_SRC | COPY_DST);
  const back = buffer(classes * 4, COPY_DST | MAP_READ);
  type OrtBuffer = Parameters<typeof ort.Tensor.fromGpuBuffer>[0];
  const tensor = (from: GPUBuffer, dims: readonly number[]) =>
    ort.Tensor.fromGpuBuffer(from as unknown as OrtBuffer, { dataType: 'float32', dims });
  const feeds = { pixels: tensor(input, [1, 3, size, size]) };
  const fetches = { logits: tensor(output, [1, classes]) };
  return {
    prepare: ({ pixels }) => pixels,
    async run(pixels) {
      device.queue.writeBuffer(input, 0, pixels as Float32Array<ArrayBuffer>);
      await session.run(feeds, fetches);
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(output, 0, back, 0, back.size);
      device.queue.submit([encoder.finish()]);
      await back.mapAsync(GPUMapMode.READ);
      const values = new Float32Array(back.getMappedRange().slice(0), 0, classes);
      back.unmap();
      return { values };
    },
  };
}
