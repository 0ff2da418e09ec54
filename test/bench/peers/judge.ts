/** From answers and times to rows: what voids one, what it is compared with, and which targets it reaches. */
import { softmax } from '../../../src/core/topk';
import { markdownTable, median, quantile } from '../lib/figures';
import type { Inference, Opened, PeerSpec } from './protocol';

/** Largest absolute difference of a logit from PyTorch's that is still the same network. */
export const VOID_ABOVE = 1e-3;

export interface Samples {
  readonly peer: PeerSpec;
  /** What the peer could not do; then there is nothing else. */
  readonly failure?: string;
  readonly opened?: Opened;
  /** One a round. */
  readonly rounds: readonly Omit<Inference, 'answer'>[];
  /** Of inferences one after another, once the rounds are over; empty without a GPU. */
  readonly streamEncodeMs: readonly number[];
  /** Over all rounds. */
  readonly maxAbsDiff: number;
  /** Of int8 weights: images whose best class is that of the f16 weights, and of how many. */
  readonly agreement?: readonly [same: number, of: number];
}

/** Worst difference of an answer; what is not a number counts as infinite. A frame's answer holds probabilities of its best classes. */
export function worstDifference(answer: readonly number[], logits: Float32Array, frame = false): number {
  const expected = frame ? softmax(logits) : logits;
  if (answer.length !== expected.length) return Number.POSITIVE_INFINITY;
  if (frame && bestOf(answer) !== bestOf(logits)) return Number.POSITIVE_INFINITY;
  const worst = answer.reduce((max, value, i) => {
    const unnamed = frame && value === 0;
    return unnamed ? max : Math.max(max, Math.abs(value - (expected[i] ?? Number.NaN)));
  }, 0);
  return Number.isNaN(worst) ? Number.POSITIVE_INFINITY : worst;
}

/** Index of the largest value. */
export function bestOf(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i += 1) if (values[i]! > values[best]!) best = i;
  return best;
}

export const isVoid = ({ failure, maxAbsDiff }: Pick<Samples, 'failure' | 'maxAbsDiff'>): boolean =>
  failure !== undefined || !(maxAbsDiff <= VOID_ABOVE);

/** Running Stitch's time over this peer's, round by round, so that what slows a whole round cancels; the median of rounds. */
export function ratioOf(ours: Samples | undefined, theirs: Samples | undefined): number | undefined {
  if (ours === undefined || theirs === undefined || isVoid(ours) || isVoid(theirs)) return undefined;
  return median(theirs.rounds.map(({ ms }, round) => (ours.rounds[round]?.ms ?? Number.NaN) / ms));
}

/** Row id that the others of its backend are measured against. */
const OURS = { webgpu: 'stitch-webgpu', wasm: 'stitch-wasm' } as const;

type Row = Readonly<Record<string, string | number>>;

/** `macs`: multiply-accumulates of one inference. */
export function rowOf(samples: Samples, all: readonly Samples[], macs: number): Row {
  const { peer, rounds, opened, maxAbsDiff, agreement, failure } = samples;
  const calls = rounds.at(-1)?.calls;
  const gpu = peer.backend === 'webgpu';
  const times = rounds.map(({ ms }) => ms);
  const timed = !isVoid(samples);
  const number = (value: number | undefined, digits: number) => (timed && value !== undefined ? value.toFixed(digits) : '–');
  const count = (value: number | undefined) => (timed && gpu ? (value ?? '–') : '–');
  const ratio = ratioOf(
    all.find((other) => other.peer.id === OURS[peer.backend]),
    samples,
  );
  const verdict =
    failure === undefined
      ? timed
        ? maxAbsDiff.toExponential(1)
        : `**void**: ${maxAbsDiff.toExponential(1)}`
      : `**failed**: ${failure}`;
  return {
    peer: peer.title,
    'median ms': number(median(times), 1),
    'p95 ms': number(quantile(times, 0.95), 1),
    n: times.length,
    'ours ÷ it': number(ratio, 2),
    'encode ms': gpu ? number(median(rounds.map(({ encodeMs }) => encodeMs)), 2) : '–',
    'in a stream ms': gpu ? number(median(samples.streamEncodeMs), 2) : '–',
    dispatches: count(calls?.dispatches),
    submits: count(calls?.submits),
    'bind groups': count(calls?.bindGroups),
    uploads: count(calls?.uploads),
    'new buffers': count(calls?.buffers),
    'first ms': number(opened?.firstMs, 0),
    'GFLOP/s': number((2 * macs) / median(times) / 1e6, 1),
    'max abs diff': verdict,
    ...(agreement === undefined ? {} : { 'top-1 as f16': `${agreement[0]} of ${agreement[1]}` }),
  };
}

/** The GPU's own limits, as its maker states them. */
export interface Peaks {
  /** f32, GFLOP/s. */
  readonly gflops?: number;
  /** GB/s. */
  readonly gbs?: number;
}

/** What fraction of the peaks Running Stitch reaches: arithmetic, and reading every weight once a frame. */
function fractions(all: readonly Samples[], macs: number, weightBytes: number, { gflops, gbs }: Peaks): string[] {
  const ours = all.find(({ peer }) => peer.id === OURS.webgpu);
  if (ours === undefined || isVoid(ours)) return [];
  const ms = median(ours.rounds.map((round) => round.ms));
  const percent = (share: number) => `${(100 * share).toPrecision(2)} %`;
  const said = [
    ...(gflops === undefined ? [] : [`${percent((2 * macs) / ms / 1e6 / gflops)} of ${gflops} GFLOP/s (f32)`]),
    ...(gbs === undefined ? [] : [`${percent(weightBytes / ms / 1e6 / gbs)} of ${gbs} GB/s (each weight read once)`]),
  ];
  return said.length === 0 ? [] : [`Running Stitch reaches ${said.join(' and ')} on WebGPU.`];
}

/** The tables of one network: f32 rows together, int8 rows apart, targets below. */
export function tables(
  all: readonly Samples[],
  { macs, weightBytes }: { readonly macs: number; readonly weightBytes: number },
  targets: readonly Row[],
  peaks: Peaks = {},
): string {
  const rows = all.filter(({ peer }) => peer.weights === undefined).map((one) => rowOf(one, all, macs));
  const int8 = all.filter(({ peer }) => peer.weights !== undefined).map((one) => rowOf(one, all, macs));
  return [
    ...(rows.length > 0 ? [markdownTable(rows)] : []),
    ...(int8.length > 0 ? ['int8 weights (compared with PyTorch on the same int8 weights):', markdownTable(int8)] : []),
    ...fractions(all, macs, weightBytes, peaks),
    ...(targets.length > 0 ? ['Targets:', markdownTable(targets)] : []),
  ].join('\n\n');
}
