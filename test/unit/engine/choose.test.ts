import { describe, expect, it } from 'vitest';
import { chooseExecutors } from '../../../src/engine/choose';

const adapter = { vendor: 'acme', architecture: 'one', description: '', software: false, timestamps: false };
const kinds = (...args: Parameters<typeof chooseExecutors>) => chooseExecutors(...args).map(({ kind }) => kind);

describe('chooseExecutors', () => {
  it('goes from the fastest to the surest', () => {
    expect(kinds('auto', adapter)).toEqual(['webgpu', 'wasm', 'cpu']);
    expect(kinds('auto', { ...adapter, software: true })).toEqual(['wasm', 'cpu']);
    expect(kinds('auto', undefined)).toEqual(['wasm', 'cpu']);
  });

  it('does what it is told, even where it failed before', () => {
    expect(kinds('webgpu', adapter, ['webgpu'])).toEqual(['webgpu']);
    expect(kinds('cpu', adapter)).toEqual(['cpu']);
  });

  it('leaves out what failed before, and says so', () => {
    expect(kinds('auto', adapter, ['webgpu'])).toEqual(['wasm', 'cpu']);
    expect(chooseExecutors('auto', adapter, ['webgpu'])[0]?.reason).toMatch(/acme one.*again and again/);
  });
});
