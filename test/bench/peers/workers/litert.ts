/** LiteRT.js. A classic script, because its loader wants importScripts, and its loader looks for binaries beside the script. */
import { loadAndCompile, loadLiteRt, Tensor } from '@litertjs/core';
import { channelsLast, serve } from './serve';

serve<Float32Array>(async ({ peer, folder }, { size }) => {
  await loadLiteRt(new URL('.', location.href).href);
  const model = await loadAndCompile(`${folder}model.tflite`, {
    accelerator: peer.backend,
    gpuOptions: { precision: 'fp32' },
  });
  return {
    // Its networks take NHWC; a page would draw its image that way.
    prepare: ({ pixels }) => channelsLast(pixels),
    async run(pixels) {
      const input = new Tensor(pixels, [1, size, size, 3]);
      const [output] = await model.run(input);
      if (output === undefined) throw new Error('LiteRT.js gave no logits.');
      const values = (await output.data()) as Float32Array;
      input.delete();
      output.delete();
      return { values };
    },
  };
});
