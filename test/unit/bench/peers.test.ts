import { describe, expect, it } from 'vitest';
import { softmax } from '../../../src/core/topk';
import { bestOf, isVoid, ratioOf, type Samples, tables, VOID_ABOVE, worstDifference } from '../../bench/peers/judge';
import { PEERS } from '../../bench/peers/protocol';
import { targetRows } from '../../bench/peers/targets';

const CALLS = { dispatches: 62, submits: 1, bindGroups: 0, uploads: 1, buffers: 0 };

function samples(id: string, times: readonly number[], change: Partial<Samples> = {}): Samples {
  const peer = PEERS.find((one) => one.id === id);
  if (peer === undefined) throw new Error(id);
  const rounds = times.map((ms) => ({ ms, encodeMs: 0.9, calls: CALLS }));
  const streamEncodeMs = [0.1, 0.2, 0.4];
  return { peer, rounds, streamEncodeMs, maxAbsDiff: 1e-6, opened: { loadMs: 1, firstMs: 2, threads: 1 }, ...change };
}

describe('worstDifference', () => {
  const logits = Float32Array.of(1, -2, 3, 0.5);

  it('is the largest of all logits', () => {
    expect(worstDifference([1, -2, 3, 0.5], logits)).toBe(0);
    expect(worstDifference([1, -2.25, 3.125, 0.5], logits)).toBe(0.25);
  });

  it.each([
    ['NaN', [1, Number.NaN, 3, 0.5]],
    ['too few', [1, -2, 3]],
    ['none', []],
  ])('is infinite for %s', (_, answer) => {
    expect(worstDifference(answer, logits)).toBe(Number.POSITIVE_INFINITY);
  });

  it('compares the named classes of a frame with softmax', () => {
    const shares = softmax(logits);
    const named = [shares[0]!, 0, shares[2]!, 0];
    expect(worstDifference(named, logits, true)).toBe(0);
    expect(worstDifference([shares[0]!, 0, shares[2]! - 0.01, 0], logits, true)).toBeCloseTo(0.01, 12);
    // Another class first.
    expect(worstDifference([shares[2]!, 0, shares[0]!, 0], logits, true)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('rows', () => {
  it('are void above the limit, when not a number, and when the peer failed', () => {
    expect(isVoid(samples('ort-wasm-1', [1], { maxAbsDiff: VOID_ABOVE }))).toBe(false);
    expect(isVoid(samples('ort-wasm-1', [1], { maxAbsDiff: VOID_ABOVE * 1.01 }))).toBe(true);
    expect(isVoid(samples('ort-wasm-1', [1], { maxAbsDiff: Number.NaN }))).toBe(true);
    expect(isVoid(samples('ort-wasm-1', [], { failure: 'it did not start' }))).toBe(true);
  });

  it('show no times when void, and say why', () => {
    const text = tables(
      [samples('litert-wasm', [123.4], { maxAbsDiff: 0.5 }), samples('tfjs-wasm', [], { failure: 'no backend' })],
      { macs: 1e9, weightBytes: 1 },
      [],
    );
    expect(text).toContain('**void**: 5.0e-1');
    expect(text).toContain('**failed**: no backend');
    expect(text).not.toContain('123.4');
  });

  it('stand apart for int8 weights, with their agreement', () => {
    const text = tables(
      [samples('stitch-webgpu', [10, 20]), samples('stitch-webgpu-int8', [5, 10], { agreement: [15, 16] })],
      { macs: 1e9, weightBytes: 1 },
      [],
    );
    const [f32 = '', apart = ''] = text.split('int8 weights (');
    expect(f32).toContain('Running Stitch, WebGPU |');
    expect(f32).not.toContain('int8');
    expect(apart).toContain('15 of 16');
  });

  it('say what fraction of the peaks is reached', () => {
    // 2 · 1e9 operations in 10 ms are 200 GFLOP/s; 1e7 bytes in 10 ms are 1 GB/s.
    const text = tables([samples('stitch-webgpu', [10])], { macs: 1e9, weightBytes: 1e7 }, [], { gflops: 2000, gbs: 100 });
    expect(text).toContain('10 % of 2000 GFLOP/s (f32) and 1.0 % of 100 GB/s');
  });
});

describe('ratioOf', () => {
  it('pairs the rounds, so that a slow round does not count', () => {
    const ours = samples('stitch-webgpu', [10, 100, 11]);
    const theirs = samples('litert-webgpu', [20, 200, 22]);
    expect(ratioOf(ours, theirs)).toBe(0.5);
  });

  it('is nothing against a void row', () => {
    expect(ratioOf(samples('stitch-webgpu', [1]), samples('litert-webgpu', [2], { maxAbsDiff: 1 }))).toBeUndefined();
    expect(ratioOf(undefined, samples('litert-webgpu', [2]))).toBeUndefined();
  });
});

describe('targets', () => {
  const all = [
    samples('stitch-webgpu', [45]),
    samples('litert-webgpu', [100]),
    samples('ort-webgpu', [200]),
    samples('stitch-webgpu-frame', [45]),
    samples('stitch-wasm', [30]),
    samples('ort-wasm-1', [20]),
  ];
  const reached = (rows: ReturnType<typeof targetRows>) => rows.map((row) => [row.target, row.measured, row.reached]);

  it('on a software adapter: a share of each peer', () => {
    expect(reached(targetRows('ti', all, true))).toEqual([
      ['≤ 0.45', '0.45', 'yes'],
      ['≤ 0.15', '0.23', '**no**'],
      ['≤ 0.3', '0.20', 'yes'],
      ['≤ 0', '0', 'yes'],
    ]);
  });

  it('on a GPU: a share of the fastest peer, whatever it runs on', () => {
    expect(reached(targetRows('s', all, false))[0]).toEqual(['≤ 0.7', '2.25', '**no**']);
  });

  it('on the default bundle: WASM against one thread of onnxruntime-web', () => {
    expect(reached(targetRows('w128', all, true)).at(-1)).toEqual(['≤ 1', '1.50', '**no**']);
    expect(reached(targetRows('w96', all, true))).toHaveLength(2);
  });
});

describe('bestOf', () => {
  it('takes the first of equal values', () => {
    expect(bestOf([1, 3, 3, 2])).toBe(1);
  });
});
