/**
 * Our GPUDevice under the tfjs WebGPU backend. The only file of the WebGPU path that imports @tensorflow/*.
 *
 * The deep import keeps out the ~140 stock kernels that the package's index would register. The few registered here make
 * resident tensors usable by ordinary tfjs code on the same device; a browser test fails if a new version moves them.
 */
import * as tf from '@tensorflow/tfjs-core';
import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu/dist/backend_webgpu';
import { addConfig } from '@tensorflow/tfjs-backend-webgpu/dist/kernels/Add';
import { identityConfig } from '@tensorflow/tfjs-backend-webgpu/dist/kernels/Identity';

const NAME = 'webgpu';

export type WeightTensor = tf.Tensor;

export interface TfDevice {
  /** Registers `buffer` (usage STORAGE | COPY_SRC) as an int32 tensor over its words, without a copy. */
  adopt(buffer: GPUBuffer): tf.Tensor;
  memory(): { readonly backend: string; readonly numTensors: number; readonly numBytes: number };
  /** Frees every adopted tensor and the backend; the buffers stay the caller's. */
  dispose(): void;
}

/** Makes `device` tfjs' `webgpu` backend of this worker. */
export async function startTfBackend(device: GPUDevice, info: GPUAdapterInfo): Promise<TfDevice> {
  if (tf.findBackend(NAME) !== null) tf.removeBackend(NAME);
  tf.registerBackend(NAME, () => new WebGPUBackend(device, info), 3);
  for (const config of [addConfig, identityConfig]) {
    if (tf.getKernel(config.kernelName, NAME) === undefined) tf.registerKernel(config);
  }
  await tf.setBackend(NAME);
  await tf.ready();
  const tensors: tf.Tensor[] = [];
  return {
    adopt(buffer) {
      const tensor = tf.tensor({ buffer, zeroCopy: true }, [buffer.size / 4], 'int32');
      tensors.push(tensor);
      return tensor;
    },
    memory() {
      const { numTensors, numBytes } = tf.memory();
      return { backend: tf.getBackend(), numTensors, numBytes };
    },
    dispose() {
      for (const tensor of tensors.splice(0)) tensor.dispose();
      tf.removeBackend(NAME);
    },
  };
}
