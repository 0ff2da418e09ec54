/** Runs one route on the WASM executor inside a module worker and posts its logits, or the error. */
import { createReferenceExecutor } from '../../../src/reference/executor';
import { fill, openFixture } from '../../support/fixtures';

onmessage = async ({ data: route }: MessageEvent<string>) => {
  try {
    const fixture = await openFixture('tiny');
    const executor = await createReferenceExecutor(fixture.manifest, 'wasm');
    await fill(executor, fixture);
    const bitmap = await createImageBitmap(new ImageData(40, 30));
    const { top } = await executor.run(route, bitmap);
    postMessage({ logits: await executor.logits(route, fixture.pixels(0)), answers: top.length });
  } catch (error) {
    postMessage({ error: String(error) });
  }
};
