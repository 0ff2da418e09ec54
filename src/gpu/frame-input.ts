/**
 * A frame into the patch buffer: one reused texture (remade only when the frame's size changes), the filter tables of
 * that size, and one dispatch.
 */
import type { InputSpec } from '../bundle/manifest';
import { StitchError } from '../core/errors';
import type { EngineFrame } from '../engine/api';
import { checkFrameSize, checkPixels, filterTaps, frameSize, isPixelFrame } from '../input/geometry';
import { bind, type Dispatch, type GpuCounters, type PipelineCache } from './kernel';
import { allocated } from './queue';
import { inputKernel, inputWorkgroups } from './kernels/input';

export interface FrameInput {
  /** Uploads the frame; the returned dispatch writes the patches of image `index` (default 0). Errors: frame-invalid. */
  upload(frame: EngineFrame, index?: number): Promise<Dispatch>;
  dispose(): void;
}

/** Taps of a downscale from `side` to one output pixel never exceed 2 · 2 · side / size + 2 (bicubic: support 2). */
const tableLength = (side: number, size: number): number => 4 * side + 4 * size;

export async function createFrameInput(
  device: GPUDevice,
  spec: InputSpec,
  patch: number,
  patches: GPUBuffer,
  pipelines: PipelineCache,
  counters: GpuCounters,
): Promise<FrameInput> {
  const pipeline = await pipelines.get(inputKernel(spec, patch));
  const maxSide = device.limits.maxTextureDimension2D;
  const make = (label: string, words: number): GPUBuffer => {
    counters.buffers += 1;
    return device.createBuffer({ label, size: words * 4, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST });
  };
  const params = make('@input.params', 3);
  const starts = make('@input.starts', spec.size * 2);
  const weightsX = make('@input.weights-x', tableLength(maxSide, spec.size));
  const weightsY = make('@input.weights-y', tableLength(maxSide, spec.size));
  let texture: GPUTexture | undefined;
  let ready: Dispatch | undefined;
  let image = 0;
  // Some adapters cannot import video frames; they are told once and take a bitmap from then on.
  let videoDirect = true;

  const resize = async (width: number, height: number): Promise<Dispatch> => {
    ready = undefined;
    texture?.destroy();
    texture = undefined;
    const usage = GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST | GPUTextureUsage.RENDER_ATTACHMENT;
    const size = [width, height];
    const made = await allocated(device, () => device.createTexture({ label: 'frame', size, format: 'rgba8unorm', usage }));
    if (made === null) {
      const text = `The GPU has no memory for a frame of ${width}×${height}. Pass a smaller one.`;
      throw new StitchError('frame-invalid', text, { width, height });
    }
    texture = made;
    counters.textures += 1;
    const { x, y } = filterTaps(width, height, spec);
    device.queue.writeBuffer(params, 0, new Uint32Array([x.taps, y.taps, image]));
    const pairs = new Uint32Array(spec.size * 2); // [size, 2]
    for (let i = 0; i < spec.size; i++) pairs.set([x.starts[i] ?? 0, y.starts[i] ?? 0], i * 2);
    device.queue.writeBuffer(starts, 0, pairs);
    device.queue.writeBuffer(weightsX, 0, x.weights);
    device.queue.writeBuffer(weightsY, 0, y.weights);
    const resources = [texture.createView(), ...[params, starts, weightsX, weightsY, patches].map((buffer) => ({ buffer }))];
    ready = { pipeline, bindGroup: bind(device, counters, pipeline, resources), workgroups: inputWorkgroups(spec.size) };
    return ready;
  };

  const copyVideo = async (frame: VideoFrame, width: number, height: number): Promise<void> => {
    const target = { texture: texture as GPUTexture };
    if (videoDirect) {
      try {
        device.queue.copyExternalImageToTexture({ source: frame }, target, [width, height]);
        return;
      } catch {
        videoDirect = false;
      }
    }
    const bitmap = await createImageBitmap(frame);
    try {
      device.queue.copyExternalImageToTexture({ source: bitmap }, target, [width, height]);
    } finally {
      bitmap.close();
    }
  };

  return {
    async upload(frame, index = 0) {
      const { width, height } = frameSize(frame);
      checkFrameSize(width, height, maxSide);
      if (isPixelFrame(frame)) checkPixels(frame);
      const fits = texture?.width === width && texture.height === height;
      const dispatch = fits && ready !== undefined ? ready : await resize(width, height);
      if (index !== image) device.queue.writeBuffer(params, 8, new Uint32Array([index]));
      image = index;
      const target = { texture: texture as GPUTexture };
      try {
        if (isPixelFrame(frame)) {
          device.queue.writeTexture(target, frame.data, { bytesPerRow: width * 4 }, [width, height]);
        } else if (frame instanceof ImageBitmap) {
          device.queue.copyExternalImageToTexture({ source: frame }, target, [width, height]);
        } else {
          await copyVideo(frame, width, height);
        }
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        throw new StitchError(
          'frame-invalid',
          `The frame (${width}×${height}) could not be copied to the GPU: ${text}. Pass an open ImageBitmap or VideoFrame of this origin.`,
          { width, height },
          error,
        );
      }
      return dispatch;
    },
    dispose() {
      texture?.destroy();
      for (const buffer of [params, starts, weightsX, weightsY]) buffer.destroy();
    },
  };
}
