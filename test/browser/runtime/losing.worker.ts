/**
 * The engine's worker, whose GPU device can be destroyed from outside as a crashed driver would lose it, and which can be made
 * to die. Its name says what else is odd about it: `lose at load` loses its device while weights are uploaded, `hardware`
 * passes the software adapter off as a real one. Of its server, which it tells the page when it asks for a manifest, `silent server`
 * answers nothing then, and `new version` has another one by now.
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
const { fetch } = globalThis;
globalThis.fetch = async (input, init) => {
  const address = input instanceof Request ? input.url : String(input);
  if (!address.endsWith('/manifest.json')) return fetch(input, init);
  postMessage('asked for the manifest');
  if (self.name.includes('silent server')) {
    return new Promise((_, reject) =>
      init?.signal?.addEventListener('abort', () => reject(new DOMException('', 'AbortError'))),
    );
  }
  const response = await fetch(input, init);
  if (!self.name.includes('new version')) return response;
  const manifest = (await response.json()) as Record<string, unknown>;
  const changed = Response.json({ ...manifest, version: '99.0.0' });
  Object.defineProperty(changed, 'url', { value: response.url });
  return changed;
};
addEventListener('message', ({ data }) => {
  if (data === 'lose the device') loseAll();
  if (data === 'die') {
    reportError(new Error('out of memory, say'));
    // The dead answer nothing.
    const end = performance.now() + 1000;
    while (performance.now() < end);
  }
});
