/**
 * Cutting a contiguous piece out of a tensor without a copy of the whole. tfjs 4.22's WASM kernels `Slice` and `Unpack` first
 * copy all of their input out of the heap, once for every piece: attention, which cuts out 3 matrices a head and image, then
 * spends about as long on that as on all matrix products. The values are the same bits.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';

type Kernel = 'Slice' | 'Unpack';

/** Elements `from`…`from + size of shape` of x, as a tensor of that shape. */
function cut(backend: BackendWasm, x: tf.TensorInfo, from: number, shape: readonly number[]): tf.TensorInfo {
  const out = backend.makeOutput([...shape], x.dtype);
  // Both views are made after the allocation, which may move the heap.
  const to = backend.typedArrayFromHeap(out);
  to.set(backend.typedArrayFromHeap(x).subarray(from, from + to.length));
  return out;
}

/** Puts `fast` before tfjs' own kernel, which still does what `fast` declines. */
function override(
  name: Kernel,
  fast: (x: tf.TensorInfo, args: Parameters<tf.KernelFunc>[0]) => ReturnType<tf.KernelFunc> | undefined,
) {
  const own = tf.getKernel(name, 'wasm');
  tf.unregisterKernel(name, 'wasm');
  const kernelFunc: tf.KernelFunc = (args) => {
    const x = args.inputs['x'] ?? args.inputs['value'];
    const numeric = x !== undefined && x.dtype !== 'string';
    return (numeric ? fast(x, args) : undefined) ?? own.kernelFunc(args);
  };
  tf.registerKernel({ ...own, kernelFunc });
}

/** Call once, when the kernels of tfjs' WASM backend are registered. */
export function registerFastSlices(): void {
  override('Slice', (x, { backend, attrs }) => {
    const { begin, size } = attrs as unknown as { readonly begin: number | number[]; readonly size: number | number[] };
    const [from, shape] = tf.slice_util.parseSliceParams(x as tf.Tensor, begin, size) as [number[], number[]];
    if (x.shape.length === 0 || !tf.slice_util.isSliceContinous(x.shape, from, shape)) return undefined;
    const start = tf.slice_util.computeFlatOffset(from, tf.util.computeStrides(x.shape));
    return cut(backend as BackendWasm, x, start, shape);
  });
  override('Unpack', (x, { backend, attrs }) => {
    if (attrs?.['axis'] !== 0) return undefined;
    const [count = 0, ...shape] = x.shape;
    const length = tf.util.sizeFromShape(shape);
    return Array.from({ length: count }, (_, index) => cut(backend as BackendWasm, x, index * length, shape));
  });
}
