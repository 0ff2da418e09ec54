import { describe, expect, it } from 'vitest';
import { chooseExecutors } from '../../../src/engine/choose';

const adapter = { vendor: 'acme', architecture: 'one', description: '', software: false, timestamps: false };
const kinds = (...args: Parameters<typeof chooseExecutors>) => chooseExecutors(...args).map(({ kind }) => kind);

describe('chooseExecutors', () => {
  it('goes from the fastest to the surest', () => {
    expect(kinds('auto', adapter)).toEqual(['webgpu', 'webgpu', 'wasm', 'cpu']);
    expect(kinds('auto', { ...adapter, software: true })).toEqual(['wasm', 'cpu']);
    expect(kinds('auto', undefined)).toEqual(['wasm', 'cpu']);
  });

  it('does what it is told, even where it failed before', () => {
    expect(kinds('webgpu', adapter, ['webgpu'])).toEqual(['webgpu', 'webgpu']);
    expect(kinds('webgpu', undefined)).toEqual(['webgpu']);
    expect(kinds('cpu', adapter)).toEqual(['cpu']);
  });

  it('leaves out what failed before, and says so', () => {
    expect(kinds('auto', adapter, ['webgpu'])).toEqual(['wasm', 'cpu']);
    expect(chooseExecutors('auto', adapter, ['webgpu'])[0]?.reason).toMatch(/acme one.*again and again/);
  });

  it('tries WebGPU again with plain kernels, unless it has no others or they failed here before', () => {
    const plain = (...args: Parameters<typeof chooseExecutors>) =>
      chooseExecutors(...args)
        .filter(({ kind }) => kind === 'webgpu')
        .map((one) => one.plain === true);
    expect(plain('auto', adapter)).toEqual([false, true]);
    expect(plain('webgpu', adapter)).toEqual([false, true]);
    expect(plain('auto', adapter, [], true)).toEqual([true]);
    expect(plain('webgpu', { ...adapter, software: true })).toEqual([false]);
    expect(chooseExecutors('auto', adapter, [], true)[0]?.reason).toMatch(/acme one.*plain kernels/);
  });
});
