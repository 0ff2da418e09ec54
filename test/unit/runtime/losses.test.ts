import { describe, expect, it } from 'vitest';
import { StitchError } from '../../../src/core/errors';
import { Losses, ofLoad } from '../../../src/runtime/losses';

describe('losses', () => {
  it('a device is given up at the third loss within a minute', () => {
    const losses = new Losses();
    expect([0, 20_000, 40_000].map((at) => losses.note('device', at, true))).toEqual(['again', 'again', 'demote']);
    expect(losses.note('device', 41_000, true)).toBe('again');
  });

  it('where there is nothing to fall back to, that is the end', () => {
    const losses = new Losses();
    expect([0, 1, 2].map((at) => losses.note('device', at, false))).toEqual(['again', 'again', 'stop']);
  });

  it('a loss now and then is borne for ever', () => {
    const losses = new Losses();
    for (let at = 0; at < 100; at++) expect(losses.note('device', at * 31_000, false)).toBe('again');
    for (let at = 0; at < 100; at++) expect(losses.note('worker', at * 61_000, false)).toBe('again');
  });

  it('a worker is started once more, whatever the GPU did', () => {
    const losses = new Losses();
    losses.note('device', 0, true);
    losses.note('device', 1, true);
    expect([2, 3].map((at) => losses.note('worker', at, true))).toEqual(['again', 'stop']);
  });

  it('wrong answers are not asked for twice', () => {
    expect(new Losses().note('wrong-answers', 0, true)).toBe('demote');
    expect(new Losses().note('wrong-answers', 0, false)).toBe('stop');
  });
});

describe('the error of a load', () => {
  it('leaves what was there usable, unless that has ended', () => {
    const error = new StitchError('bundle-integrity', 'damaged', { file: 'b' });
    expect(ofLoad(error, undefined)).toMatchObject({ code: 'bundle-integrity', recoverable: true, detail: { file: 'b' } });
    const end = new StitchError('device-lost', 'gone');
    expect(ofLoad(new StitchError('network', ''), undefined).detail).toEqual({ partial: true });
    expect(ofLoad(error, end)).toBe(end);
    expect(end.recoverable).toBe(false);
  });
});
