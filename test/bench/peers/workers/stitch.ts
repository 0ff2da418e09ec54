/** Running Stitch: its executors, loaded from a bundle as the engine loads them. */
import { openBundle } from '../../../../src/bundle/open';
import type { Kept } from '../../../../src/core/kept';
import type { PixelFrame } from '../../../../src/core/types';
import type { Executor } from '../../../../src/engine/executor';
import { createGpuExecutor } from '../../../../src/gpu/executor';
import { createReferenceExecutor } from '../../../../src/reference/executor';
import { serve } from './serve';

interface Input {
  readonly pixels: Float32Array;
  readonly frame: PixelFrame;
}

/** Where the device's fastest kernels are noted: they are measured, as at a visitor's first start, and forgotten with the worker. */
const NOTED: Kept = { enabled: true, read: () => Promise.resolve(undefined), write: () => Promise.resolve() };

serve<Input>(async ({ peer, folder }) => {
  const bundle = await openBundle(`${folder}bundle/manifest.json`, { cache: false });
  const { manifest } = bundle;
  const executor: Executor =
    peer.backend === 'webgpu' ? await createGpuExecutor(manifest, NOTED) : await createReferenceExecutor(manifest, 'wasm');
  await bundle.loadAll((spec, tensors) => executor.addUnits(spec.units, tensors));
  await executor.prepare(manifest.routes);
  const route = manifest.routes[0]?.id ?? '';
  const { size } = manifest.input;
  return {
    prepare({ pixels, rgb }) {
      const data = new Uint8ClampedArray(size * size * 4).fill(255);
      for (let i = 0; i < size * size; i += 1) data.set(rgb.subarray(i * 3, i * 3 + 3), i * 4); // [S, S, 3] -> [S, S, 4]
      return { pixels, frame: { data, width: size, height: size } };
    },
    async run({ pixels, frame }) {
      if (peer.frame !== true) return { values: await executor.logits(route, pixels) };
      const { top, timing } = await executor.run(route, frame);
      const values = new Float32Array(manifest.classes);
      for (const { index, probability } of top) values[index] = probability;
      return { values, ...(timing.gpuMs === undefined ? {} : { gpuMs: timing.gpuMs }) };
    },
  };
});
