/** Asks for adapter and device, with the features and limits that the kernels can use. */
import { isSoftwareAdapter } from '../core/adapter';
import { StitchError } from '../core/errors';
import type { AdapterSummary } from '../engine/api';

export interface GpuHandle {
  readonly device: GPUDevice;
  readonly info: GPUAdapterInfo;
  readonly summary: AdapterSummary;
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

/** A device with the adapter's own limits (large buffers, many storage buffers). Errors: unsupported. */
export async function requestDevice(): Promise<GpuHandle> {
  const probe = await probeAdapter();
  if (probe === undefined) {
    throw new StitchError(
      'unsupported',
      'WebGPU gave no adapter in this worker. Use backend "auto" or "wasm", or enable WebGPU in the browser.',
    );
  }
  const { adapter, summary } = probe;
  const { limits } = adapter;
  try {
    const device = await adapter.requestDevice({
      label: 'running-stitch',
      requiredFeatures: summary.timestamps ? ['timestamp-query'] : [],
      requiredLimits: {
        maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
        maxBufferSize: limits.maxBufferSize,
        maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
        maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
        maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
        maxTextureDimension2D: limits.maxTextureDimension2D,
      },
    });
    return { device, info: adapter.info, summary };
  } catch (error) {
    throw new StitchError(
      'unsupported',
      `The GPU (${summary.vendor} ${summary.architecture}) gave no device. Close other GPU-heavy tabs and reload, or use backend "wasm".`,
      { vendor: summary.vendor },
      error,
    );
  }
}
