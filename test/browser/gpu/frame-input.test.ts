/** The input kernel against the CPU resampler, patch by patch, for every kind of frame. */
import { describe, expect, it } from 'vitest';
import type { InputSpec } from '../../../src/bundle/manifest';
import type { EngineFrame } from '../../../src/engine/api';
import { toPatches } from '../../../src/gpu/executor';
import { createFrameInput } from '../../../src/gpu/frame-input';
import { createPipelineCache, newCounters } from '../../../src/gpu/kernel';
import { createResampler } from '../../../src/input/resample';
import { expectClose } from '../../support/close';
import { download, upload, withDevice } from '../../support/gpu';

const PATCH = 4;
const SPEC: InputSpec = { size: 12, crop: 0.875, filter: 'bicubic', mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
const LENGTH = (1 + (SPEC.size / PATCH) ** 2) * 3 * PATCH * PATCH;

/** Opaque pixels with an edge in each channel. */
function picture(width: number, height: number): Uint8ClampedArray<ArrayBuffer> {
  const data = new Uint8ClampedArray(width * height * 4);
  for (let i = 0; i < width * height; i++) {
    const x = i % width;
    const y = (i - x) / width;
    data.set([(x * 53) % 256, y % 7 < 3 ? 240 : 10, x > y ? 200 : 30, 255], i * 4);
  }
  return data;
}

async function patchesOf(device: GPUDevice, spec: InputSpec, frames: readonly EngineFrame[]): Promise<Float32Array[]> {
  const counters = newCounters();
  const patches = upload(device, new Float32Array(LENGTH));
  const input = await createFrameInput(device, spec, PATCH, patches, createPipelineCache(device, counters), counters);
  const results: Float32Array[] = [];
  for (const frame of frames) {
    const { pipeline, bindGroup, workgroups } = await input.upload(frame);
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(workgroups);
    pass.end();
    device.queue.submit([encoder.finish()]);
    results.push(new Float32Array(await download(device, patches, LENGTH * 4)));
  }
  input.dispose();
  return results;
}

describe('frame input', () => {
  for (const filter of ['bilinear', 'bicubic'] as const) {
    for (const [width, height] of [
      [12, 12],
      [131, 67],
      [5, 9],
      [1, 1],
    ] as const) {
      it(`${filter} from ${width}×${height}`, async () => {
        const spec = { ...SPEC, filter };
        const data = picture(width, height);
        const expected = toPatches(createResampler(spec)({ data, width, height }), spec.size, PATCH);
        await withDevice(async (device) => {
          const bitmap = await createImageBitmap(new ImageData(data, width, height));
          const [pixels, image] = await patchesOf(device, spec, [{ data, width, height }, bitmap]);
          bitmap.close();
          // f32 sums of weights against f64; values after normalisation reach about 3.
          expectClose(pixels ?? [], expected, 2e-4, 'pixels');
          expectClose(image ?? [], expected, 2e-4, 'bitmap');
        });
      });
    }
  }

  it('takes video frames, directly or by way of a bitmap', async () => {
    const [width, height] = [40, 24];
    const data = picture(width, height);
    const expected = toPatches(createResampler(SPEC)({ data, width, height }), SPEC.size, PATCH);
    await withDevice(async (device) => {
      const frame = new VideoFrame(data, { format: 'RGBA', codedWidth: width, codedHeight: height, timestamp: 0 });
      const [first, second] = await patchesOf(device, SPEC, [frame, frame]);
      frame.close();
      // A browser may convert the colours of a video frame: up to two steps of 255, in units of the standard deviation.
      expectClose(first ?? [], expected, 2 / 255 / 0.224, 'video frame');
      expect([...(second ?? [])]).toEqual([...(first ?? [])]);
    });
  });

  it('remakes its texture only when the size changes', async () => {
    await withDevice(async (device) => {
      const counters = newCounters();
      const patches = upload(device, new Float32Array(LENGTH));
      const input = await createFrameInput(device, SPEC, PATCH, patches, createPipelineCache(device, counters), counters);
      const frame = (width: number) => ({ data: picture(width, 9), width, height: 9 });
      await input.upload(frame(20));
      const { textures, bindGroups } = counters;
      await input.upload(frame(20));
      expect(counters).toMatchObject({ textures, bindGroups });
      await input.upload(frame(21));
      expect(counters.textures).toBe(textures + 1);
      input.dispose();
    });
  });
});
