import { StitchError } from '../../../src/index';

/** The runtime measures the device in pauses of its own; frames are refused meanwhile. */
export async function whenFree<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StitchError) || error.code !== 'busy') throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
