import type { BackendChoice } from 'running-stitch';

/** `?backend=webgpu|wasm|cpu`; an application leaves the choice to the library. */
export const backend = (new URLSearchParams(location.search).get('backend') ?? 'auto') as BackendChoice;
