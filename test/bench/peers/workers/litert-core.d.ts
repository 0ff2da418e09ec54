/** What is used of @litertjs/core 2.5. Its own types change the global Float32Array, and with it the types of the whole project. */
export interface Model {
  run(input: Tensor): Promise<Tensor[]>;
}
export class Tensor {
  constructor(data: Float32Array, shape: readonly number[]);
  data(): Promise<ArrayBufferView>;
  delete(): void;
}
/** `folder`: where its scripts and binaries are, with a slash at its end. */
export function loadLiteRt(folder: string): Promise<unknown>;
export function loadAndCompile(
  url: string,
  options: { readonly accelerator: 'wasm' | 'webgpu'; readonly gpuOptions?: { readonly precision: 'fp16' | 'fp32' } },
): Promise<Model>;
