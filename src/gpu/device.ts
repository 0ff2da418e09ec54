/** Asks for adapter and device, with the features and limits that the kernels can use. */
import { isSoftwareAdapter } from '../core/adapter';
import { StitchError } from '../core/errors';
import type { AdapterSummary } from '../engine/api';
import type { Halves } from './kernels/gemm/gemm';

/** What kernels may use on a device beyond registers and plain WGSL. */
export interface Specials {
  /** Tiles in workgroup memory. */
  readonly tiles: boolean;
  /** Registers without end: they are the memory of a processor. */
  readonly manyRows: boolean;
  readonly halves: Halves;
  readonly subgroups: boolean;
}

const PLAIN: Specials = { tiles: false, manyRows: false, halves: 'unpacked', subgroups: false };
/** On a software adapter tiles are several times slower, and the features are not worth their compilation. */
const SOFTWARE: Specials = { ...PLAIN, manyRows: true };

export interface GpuHandle {
  readonly device: GPUDevice;
  readonly info: GPUAdapterInfo;
  readonly summary: AdapterSummary;
  readonly specials: Specials;
}

/** The adapter's identity, or undefined where there is no WebGPU. Never throws. */
export async function probeAdapter(): Promise<{ adapter: GPUAdapter; summary: AdapterSummary } | undefined> {
  try {
    const gpu = (globalThis.navigator as Partial<Navigator> | undefined)?.gpu;
    const adapter = await gpu?.requestAdapter();
    if (!adapter) return undefined;
    const { vendor, architecture, description } = adapter.info;
    const software = isSoftwareAdapter(adapter.info);
    const timestamps = adapter.features.has('timestamp-query');
    return { adapter, summary: { vendor, architecture, description, software, timestamps } };
  } catch {
    return undefined;
  }
}

/**
 * A device with the adapter's own limits (large buffers, many storage buffers). `plain`: without what the kernels can do without.
 * Errors: unsupported.
 */
export async function requestDevice(plain = false): Promise<GpuHandle> {
  const probe = await probeAdapter();
  if (probe === undefined) {
    throw new StitchError(
      'unsupported',
      'WebGPU gave no adapter in this worker. Use backend "auto" or "wasm", or enable WebGPU in the browser.',
    );
  }
  const { adapter, summary } = probe;
  const { features, limits } = adapter;
  const halves = features.has('shader-f16') ? 'native' : 'unpacked';
  const hardware: Specials = { tiles: true, manyRows: false, halves, subgroups: features.has('subgroups') };
  const specials = summary.software ? SOFTWARE : plain ? PLAIN : hardware;
  const requiredFeatures: GPUFeatureName[] = [
    ...(summary.timestamps ? (['timestamp-query'] as const) : []),
    ...(specials.halves === 'native' ? (['shader-f16'] as const) : []),
    ...(specials.subgroups ? (['subgroups'] as const) : []),
  ];
  try {
    const device = await adapter.requestDevice({
      label: 'running-stitch',
      requiredFeatures,
      requiredLimits: {
        maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
        maxBufferSize: limits.maxBufferSize,
        maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
        maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
        maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
        maxTextureDimension2D: limits.maxTextureDimension2D,
      },
    });
    return { device, info: adapter.info, summary, specials };
  } catch (error) {
    throw new StitchError(
      'unsupported',
      `The GPU (${summary.vendor} ${summary.architecture}) gave no device. Close other GPU-heavy tabs and reload, or use backend "wasm".`,
      { vendor: summary.vendor },
      error,
    );
  }
}
