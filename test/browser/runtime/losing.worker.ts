/**
 * The engine's worker, whose GPU device can be destroyed from outside as a crashed driver would lose it, and which can be made
 * to die. Its name says what else is odd about it: `lose at load` loses its device while weights are uploaded, `hardware`
 * passes the software adapter off as a real one. Of its server, which it tells the page when it asks for a manifest, `silent server`
 * answers nothing then, and `new version` has another one by now. `no store` may use no IndexedDB, and `full store` finds it full, as
 * any other does that is told so.
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
if (self.name.includes('no store')) {
  IDBFactory.prototype.open = () => {
    throw new DOMException('Storage is off', 'SecurityError');
  };
}
const { put } = IDBObjectStore.prototype;
let full = self.name.includes('full store');
IDBObjectStore.prototype.put = function putWhereThereIsRoom(this: IDBObjectStore, value: unknown, key?: IDBValidKey) {
  if (full && typeof key === 'string' && key.startsWith('data:'))
    throw new DOMException('The disk is full', 'QuotaExceededError');
  return put.call(this, value, key);
};
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
  if (data === 'fill the store') full = true;
  if (data === 'die') {
    reportError(new Error('out of memory, say'));
    // The dead answer nothing.
    const end = performance.now() + 1000;
    while (performance.now() < end);
  }
});
