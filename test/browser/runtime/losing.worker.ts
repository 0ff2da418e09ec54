/** The engine's worker, whose GPU device can be destroyed from outside as a crashed driver would lose it. */
import '../../../src/engine/worker';

const devices: GPUDevice[] = [];
const request = GPUAdapter.prototype.requestDevice;
GPUAdapter.prototype.requestDevice = async function requestAndKeep(this: GPUAdapter, descriptor?: GPUDeviceDescriptor) {
  const device = await request.call(this, descriptor);
  devices.push(device);
  return device;
};
addEventListener('message', ({ data }) => {
  if (data === 'lose the device') for (const device of devices) device.destroy();
});
