/** Whose error is whose, where two things are made on one device. */
import { describe, expect, it } from 'vitest';
import { guarded } from '../../../src/gpu/queue';

/** A device with the error scopes of the specification. */
function fakeDevice() {
  const scopes: { filter: string; message?: string }[] = [];
  const device = {
    pushErrorScope: (filter: string) => void scopes.push({ filter }),
    popErrorScope: () => {
      const message = scopes.pop()?.message;
      return Promise.resolve(message === undefined ? null : { message });
    },
  };
  const fail = (message: string) =>
    Object.assign(scopes.findLast(({ filter }) => filter === 'out-of-memory') ?? {}, { message });
  return { device: device as unknown as GPUDevice, fail };
}
const pause = () => new Promise((resolve) => setTimeout(resolve));

describe('guarded', () => {
  it('gives each its own error, also where they would overlap', async () => {
    const { device, fail } = fakeDevice();
    const first = guarded(device, 'the plans', async () => {
      await pause();
      return 'made';
    });
    // It would begin second and end last, so that the first one popped its scopes.
    const second = guarded(device, 'a batch', async () => {
      fail('too large');
      await pause();
      await pause();
      await pause();
    });
    second.catch(() => {});
    await expect(first).resolves.toBe('made');
    await expect(second).rejects.toMatchObject({ code: 'out-of-memory', message: /a batch: too large/ });
    await expect(guarded(device, 'more', async () => 1)).resolves.toBe(1);
  });

  it('goes on where the scopes went down with the device', async () => {
    const { device } = fakeDevice();
    device.popErrorScope = () => Promise.reject(new DOMException('lost', 'OperationError'));
    await expect(guarded(device, 'the plans', async () => 1)).resolves.toBe(1);
  });
});
