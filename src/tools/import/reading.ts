/** How far an import has read its checkpoints. */
import { ELEMENT_BYTES } from '../../bundle/safetensors';
import { detectStyle } from './detect';
import type { Checkpoint, NamedTensor } from './source';

/** Bytes read so far, and those of all weights that the checkpoints hold; a stitch that no route uses is not read. */
export type ReadSink = (bytes: number, of: number) => void;

/** The same checkpoints, which tell of every tensor when it is read first. Keys that change no answer are never read, so they do not count. */
export function tellReads(sources: readonly Checkpoint[], tell: ReadSink): Checkpoint[] {
  let done = 0;
  let of = 0;
  const telling = (tensor: NamedTensor): NamedTensor => {
    const bytes = tensor.shape.reduce((product, size) => product * size, ELEMENT_BYTES[tensor.dtype]);
    of += bytes;
    let told = false;
    const read = () => {
      const values = tensor.read();
      // A LayerScale is read for the weights, and again for the biases.
      if (!told) tell((done += bytes), of);
      told = true;
      return values;
    };
    return { ...tensor, read };
  };
  return sources.map((source) => {
    const found = detectStyle(source);
    const idle = 'vit' in found ? found.vit.idle : [];
    const tensors = [...source.tensors].map(([key, tensor]) => [key, idle.includes(key) ? tensor : telling(tensor)] as const);
    return { ...source, tensors: new Map(tensors) };
  });
}
