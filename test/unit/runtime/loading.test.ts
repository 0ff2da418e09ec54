import { describe, expect, test } from 'vitest';
import type { CrashMarker } from '../../../src/runtime/crash-marker';
import type { EngineHost } from '../../../src/runtime/heal';
import { startLoading } from '../../../src/runtime/loading';

const MARKER = { begin() {}, end() {} } as unknown as CrashMarker;
const TIERS = [
  { anchor: 's', planned: true },
  { anchor: 'l', planned: false },
];

/** A host whose loads end when they are told to. */
function slowHost() {
  const ends: { readonly anchor: string; readonly end: (error?: Error) => void }[] = [];
  const host = {
    info: { tiers: TIERS },
    loadMore: (anchor: string) =>
      new Promise<void>((resolve, reject) => {
        ends.push({ anchor, end: (error) => (error ? reject(error) : resolve()) });
      }),
    cancelLoad() {},
  } as unknown as EngineHost;
  return { host, ends };
}
const turn = () => new Promise((resolve) => setTimeout(resolve));

describe('startLoading', () => {
  test('is active until what was planned is loaded, and again while more is', async () => {
    const { host, ends } = slowHost();
    const loading = startLoading(host, MARKER, undefined);
    expect(loading.active).toBe(true);
    await turn();
    ends.at(-1)?.end();
    await loading.loaded;
    expect(loading.active).toBe(false);
    const more = loading.more('l');
    expect(loading.active).toBe(true);
    await turn();
    ends.at(-1)?.end();
    await turn();
    expect([ends.at(-1)?.anchor, loading.active]).toEqual(['l', true]);
    ends.at(-1)?.end();
    await more;
    expect(loading.active).toBe(false);
  });

  test('is not active after a load that failed, nor after one that was refused', async () => {
    const { host, ends } = slowHost();
    const loading = startLoading(host, MARKER, undefined);
    await turn();
    ends.at(-1)?.end(new Error('gone'));
    await expect(loading.loaded).rejects.toThrow('gone');
    expect(loading.active).toBe(false);
    await expect(loading.more('x')).rejects.toMatchObject({ code: 'argument-invalid' });
    expect(loading.active).toBe(false);
  });
});
