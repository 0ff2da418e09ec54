/** The network as somebody would write it in TensorFlow.js' stock operations, on either backend. */
import * as tf from '@tensorflow/tfjs-core';
import { setWasmPaths, getThreadsCount } from '@tensorflow/tfjs-backend-wasm';
import '@tensorflow/tfjs-backend-webgpu';
import type { ModelDescription } from '../model';
import { channelsLast, fetched, serve } from './serve';

type Weights = (name: string) => tf.Tensor;

serve<Float32Array>(async ({ peer, folder }, model) => {
  if (peer.backend === 'wasm') {
    // Its threaded binary fails to start in a module worker, and gives matrix products no threads where it does (4.22).
    tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
    setWasmPaths(new URL('../vendor/tfjs-wasm/', location.href).href);
  }
  if (!(await tf.setBackend(peer.backend))) throw new Error(`TensorFlow.js did not start its ${peer.backend} backend.`);
  await tf.ready();
  const flat = new Float32Array(await fetched(`${folder}weights.bin`));
  const weights = new Map(
    model.tensors.map(({ name, shape, offset, count }) => [name, stored(name, flat.subarray(offset, offset + count), shape)]),
  );
  const get: Weights = (name) => {
    const found = weights.get(name);
    if (found === undefined) throw new Error(`The network has no tensor ${name}.`);
    return found;
  };
  return {
    ...(peer.backend === 'wasm' ? { threads: getThreadsCount() } : {}),
    prepare: ({ pixels }) => channelsLast(pixels),
    async run(pixels) {
      const logits = tf.tidy(() => forward(tf.tensor4d(pixels, [1, model.size, model.size, 3]), get, model));
      try {
        return { values: await logits.data<'float32'>() };
      } finally {
        logits.dispose();
      }
    },
  };
});

/** Linear layers turned once to [in, out], filters to [height, width, in, out]; all else as it is. */
function stored(name: string, data: Float32Array, shape: readonly number[]): tf.Tensor {
  return tf.tidy(() => {
    const tensor = tf.tensor(data, [...shape]);
    if (name === 'embed.proj.weight') return tf.transpose(tensor, [2, 3, 1, 0]); // [D, 3, P, P] -> [P, P, 3, D]
    return shape.length === 2 && name.endsWith('.weight') ? tf.transpose(tensor) : tf.clone(tensor);
  });
}

/** [1, S, S, 3] -> [1, C] */
function forward(image: tf.Tensor4D, get: Weights, { config, size }: ModelDescription): tf.Tensor2D {
  const { dim, heads, patch, depth, eps } = config;
  const tokens = 1 + (size / patch) ** 2;
  const linear = (x: tf.Tensor2D, name: string) =>
    tf.fused.matMul({ a: x, b: get(`${name}.weight`) as tf.Tensor2D, bias: get(`${name}.bias`) }) as tf.Tensor2D;
  const norm = (x: tf.Tensor2D, name: string) => {
    const { mean, variance } = tf.moments(x, -1, true); // [N, 1] each
    const normal = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, eps)));
    return tf.add<tf.Tensor2D>(tf.mul(normal, get(`${name}.weight`)), get(`${name}.bias`));
  };
  const gelu = (x: tf.Tensor2D) => tf.mul<tf.Tensor2D>(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
  const attention = (qkv: tf.Tensor2D) => {
    const split = tf.reshape(qkv, [tokens, 3, heads, dim / heads]); // [N, 3D] -> [N, 3, H, d]
    const [q, k, v] = tf.unstack(tf.transpose(split, [1, 2, 0, 3])) as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D]; // 3 × [H, N, d]
    const scores = tf.matMul(tf.mul(q, (dim / heads) ** -0.5), k, false, true); // [H, N, N]
    const mixed = tf.matMul(tf.softmax(scores), v); // [H, N, d]
    return tf.reshape(tf.transpose(mixed, [1, 0, 2]), [tokens, dim]) as tf.Tensor2D; // -> [N, H, d] -> [N, D]
  };

  const filters = get('embed.proj.weight') as tf.Tensor4D;
  const patches = tf.add(tf.conv2d(image, filters, patch, 'valid'), get('embed.proj.bias')); // [1, G, G, D]
  const rows = tf.concat([tf.reshape(get('embed.cls'), [1, dim]), tf.reshape(patches, [tokens - 1, dim])], 0);
  let x = tf.add<tf.Tensor2D>(rows, get('embed.pos')); // [N, D]
  for (let block = 0; block < depth; block += 1) {
    const at = (part: string) => `blocks.${block}.${part}`;
    x = tf.add(x, linear(attention(linear(norm(x, at('norm1')), at('qkv'))), at('proj')));
    x = tf.add(x, linear(gelu(linear(norm(x, at('norm2')), at('fc1'))), at('fc2')));
  }
  return linear(norm(tf.slice(x, [0, 0], [1, dim]), 'head.norm'), 'head.fc'); // [1, D] -> [1, C]
}
