/** The engine's worker behind a server that has damaged the files of the larger anchor. */
import '../../../src/engine/worker';

const own = globalThis.fetch;
globalThis.fetch = async (input, init) => {
  const response = await own(input, init);
  if (!response.url.includes('/b.')) return response;
  const bytes = new Uint8Array(await response.arrayBuffer());
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  const damaged = new Response(bytes, response);
  Object.defineProperty(damaged, 'url', { value: response.url });
  return damaged;
};
