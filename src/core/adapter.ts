/** Software rasterisers by the names they report; `isFallbackAdapter` is absent or false for some of them. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|basic render|warp|software/i;

/** Whether a WebGPU adapter computes on the CPU. */
export function isSoftwareAdapter(info: GPUAdapterInfo): boolean {
  const fallback = (info as { isFallbackAdapter?: boolean }).isFallbackAdapter === true;
  return fallback || SOFTWARE.test(`${info.vendor} ${info.architecture} ${info.description}`);
}
