import { describe, expect, it } from 'vitest';
import { partOf } from '../../../src/service-worker/range';

const whole = () => new Response('0123456789', { headers: { 'content-type': 'video/webm' } });

describe('partOf', () => {
  it.each<[range: string, text: string, header: string]>([
    ['bytes=0-', '0123456789', 'bytes 0-9/10'],
    ['bytes=2-4', '234', 'bytes 2-4/10'],
    ['bytes=8-99', '89', 'bytes 8-9/10'],
    ['bytes=-3', '789', 'bytes 7-9/10'],
    ['bytes=-99', '0123456789', 'bytes 0-9/10'],
  ])('%s', async (range, text, header) => {
    const part = await partOf(whole(), range);
    expect([part.status, part.headers.get('content-range'), part.headers.get('content-type')]).toEqual([
      206,
      header,
      'video/webm',
    ]);
    expect(part.headers.get('content-length')).toBe(String(text.length));
    expect(await part.text()).toBe(text);
  });

  it.each(['bytes=10-', 'bytes=4-2', 'bytes=-', 'bytes=-0', 'bytes=a-b', 'lines=0-1', 'bytes=0-1,3-4'])(
    'does not have %s',
    async (range) => {
      const part = await partOf(whole(), range);
      expect([part.status, part.headers.get('content-range')]).toEqual([416, 'bytes */10']);
    },
  );
});
