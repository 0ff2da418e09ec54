/**
 * A kernel is WGSL text with its constants baked in. Widths are no constants: a kernel reads them off the lengths of what is bound, so
 * that anchors of all widths, and all routes, share the pipelines, which are cached by kernel key.
 */
import { StitchError } from '../core/errors';

/** One specialised kernel. `key` names kernel and constants: equal keys mean equal WGSL. */
export interface Kernel {
  readonly key: string;
  readonly wgsl: string;
}

/** One dispatch of a plan: everything made before the first frame. */
export interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  /** Workgroups along x. */
  readonly workgroups: number;
}

/** GPU objects made so far; the claim "a switch creates nothing" is read off here. */
export interface GpuCounters {
  pipelines: number;
  bindGroups: number;
  buffers: number;
  textures: number;
  submits: number;
}

export function newCounters(): GpuCounters {
  return { pipelines: 0, bindGroups: 0, buffers: 0, textures: 0, submits: 0 };
}

/** `{ size }` threads along x in every kernel: 64 is two to eight hardware waves on all known GPUs. */
export const WORKGROUP_SIZE = 64;

/**
 * The same where an invocation has much to do, for adapters that are a processor: each workgroup is a core's, so that few large ones
 * leave cores idle. Two of their vectors.
 */
export const FEW_THREADS = 8;

/** Joins `count` lines made by `line(i)`: the unroller of the kernel sources. */
export function unroll(count: number, line: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => line(i)).join('\n');
}

export interface PipelineCache {
  /** Compiles, or hands out what is compiled. Errors: shader, naming kernel and constants. */
  get(kernel: Kernel): Promise<GPUComputePipeline>;
}

export function createPipelineCache(device: GPUDevice, counters: GpuCounters): PipelineCache {
  const cache = new Map<string, Promise<GPUComputePipeline>>();
  const compile = async (kernel: Kernel): Promise<GPUComputePipeline> => {
    const module = device.createShaderModule({ label: kernel.key, code: kernel.wgsl });
    try {
      const pipeline = await device.createComputePipelineAsync({
        label: kernel.key,
        layout: 'auto',
        compute: { module, entryPoint: 'main' },
      });
      counters.pipelines += 1;
      return pipeline;
    } catch (error) {
      const info = await module.getCompilationInfo();
      const lines = info.messages.map((m) => `${m.lineNum}:${m.linePos} ${m.message}`).join('; ');
      throw new StitchError(
        'shader',
        `Kernel ${kernel.key} did not compile on this GPU (${lines || String(error)}). Use backend "wasm" on this device and report the adapter.`,
        { kernel: kernel.key },
        error,
      );
    }
  };
  return {
    get(kernel) {
      let pipeline = cache.get(kernel.key);
      if (pipeline === undefined) {
        pipeline = compile(kernel);
        cache.set(kernel.key, pipeline);
        pipeline.catch(() => cache.delete(kernel.key));
      }
      return pipeline;
    },
  };
}

/** A buffer, or an aligned range of one. */
export interface BufferRange {
  readonly buffer: GPUBuffer;
  readonly offset?: number;
  readonly size?: number;
}

/** Bind group 0 of `pipeline` over `resources`, bound to 0, 1, 2 … */
export function bind(
  device: GPUDevice,
  counters: GpuCounters,
  pipeline: GPUComputePipeline,
  resources: readonly (BufferRange | GPUTextureView)[],
): GPUBindGroup {
  counters.bindGroups += 1;
  return device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: resources.map((resource, binding) => ({ binding, resource })),
  });
}
