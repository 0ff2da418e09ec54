import { describe, expect, test } from 'vitest';
import { StitchError } from '../../../src/core/errors';
import { softmax, topK } from '../../../src/core/topk';
import { expectClose } from '../../support/close';

describe('softmax', () => {
  test('sums to 1 and does not overflow', () => {
    expectClose(softmax([0, Math.log(3)]), [0.25, 0.75], 1e-15, 'two');
    expectClose(softmax([1000, 1000, -1000]), [0.5, 0.5, 0], 1e-15, 'large');
    expectClose(softmax([-5000]), [1], 0, 'one');
  });
});

describe('topK', () => {
  test('is best first, ties by lower index', () => {
    expect(topK([1, 7, 3, 7, 2], 3).map(({ index }) => index)).toEqual([1, 3, 2]);
    expect(topK(new Float32Array(6), 4).map(({ index }) => index)).toEqual([0, 1, 2, 3]);
  });

  test('probabilities are over all classes', () => {
    const top = topK([0, 0, 0, 0], 2);
    expect(top.map(({ probability }) => probability)).toEqual([0.25, 0.25]);
  });

  test('orders classes whose shares underflow', () => {
    expect(topK([0, -2000, -1500], 3).map(({ index }) => index)).toEqual([0, 2, 1]);
  });

  test('gives all classes where there are fewer', () => {
    expect(topK([1, 2], 5)).toHaveLength(2);
  });

  test('refuses a bad k and logits that are not finite', () => {
    for (const k of [0, -1, 1.5, Number.NaN]) expect(() => topK([1], k)).toThrow(StitchError);
    for (const bad of [Number.NaN, Infinity, -Infinity]) expect(() => topK([1, bad], 1)).toThrow(/Logit 1 of 2/);
  });
});
