/**
 * The engine's worker, whose GPU device can be destroyed from outside as a crashed driver would lose it, and which can be made
 * to die. Its name says what else is odd about it: `lose at load` loses its device while weights are uploaded, `hardware`
 * passes the software adapter off as a real one.
 */
import '../../../src/engine/worker';

const devices: GPUDevice[] = [];
const request = GPUAdapter.prototype.requestDevice;
GPUAdapter.prototype.requestDevice = async function requestAndKeep(this: GPUAdapter, descriptor?: GPUDeviceDescriptor) {
  const device = await request.call(this, descriptor);
  devices.push(device);
  return device;
};
const loseAll = (): void => {
  for (const device of devices) device.destroy();
};
if (self.name.includes('lose at load')) {
  const write = GPUQueue.prototype.writeBuffer;
  let writes = 0;
  GPUQueue.prototype.writeBuffer = function writeAndLose(this: GPUQueue, ...args: Parameters<typeof write>) {
    write.apply(this, args);
    if (++writes === 3) loseAll();
  };
}
if (self.name.includes('hardware')) {
  Object.defineProperty(GPUAdapter.prototype, 'info', {
    get: () => ({ vendor: 'acme', architecture: 'one', description: '', device: '', isFallbackAdapter: false }),
  });
}
addEventListener('message', ({ data }) => {
  if (data === 'lose the device') loseAll();
  if (data === 'die') {
    reportError(new Error('out of memory, say'));
    // The dead answer nothing.
    const end = performance.now() + 1000;
    while (performance.now() < end);
  }
});
