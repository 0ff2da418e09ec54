import type { PixelFrame } from '../../src/core/types';

/** A picture of seeded noise: every seed has its own answer. */
export function noise(seed: number, width: number, height: number): PixelFrame {
  let state = Math.imul(seed, 2_654_435_761);
  const data = Uint8ClampedArray.from({ length: width * height * 4 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
  return { data, width, height };
}
