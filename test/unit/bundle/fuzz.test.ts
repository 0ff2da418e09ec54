/** The short version of what `npm run soak` does a hundred thousand times. */
import { expect, it } from 'vitest';
import { fuzz } from '../../soak/fuzz';

it('mutated manifests, headers and shards give typed errors and nothing else', () => {
  const { done, accepted, byCode, failures } = fuzz(3000, 20_261_122);
  expect(failures).toEqual([]);
  expect(done).toBe(3000);
  // Neither harmless nor hopeless all of them.
  expect(accepted).toBeGreaterThan(50);
  expect(byCode['bundle-invalid']).toBeGreaterThan(500);
  expect(Object.keys(byCode).filter((code) => code !== 'bundle-invalid' && code !== 'unsupported')).toEqual([]);
}, 60_000);
