/** Opens the peers one after another, then asks each once a round. */
import type { Page } from 'playwright';
import type { ShapeId } from '../lib/shapes';
import { bestOf, isVoid, type Samples, worstDifference } from './judge';
import type { Network } from './prepare';
import type { Inference, Opened, PeersGlobals, PeerSpec } from './protocol';

/**
 * Inferences one after another, for what encoding costs in a stream: at most so many, and no new one after that time. Enough for the
 * browser to compile the JavaScript, which the few of the rounds are not.
 */
const STREAM = { count: 60, ms: 20_000 };

/** Longer than the slowest network takes to compile on a software adapter. */
const LIMIT_MS = 600_000;

export interface Networks {
  readonly shape: ShapeId;
  readonly network: Network;
  /** The same weights, rounded to int8. */
  readonly int8: Network | undefined;
}

interface Runner {
  readonly peer: PeerSpec;
  readonly expected: readonly Float32Array[];
  readonly opened?: Opened;
  failure?: string;
  readonly rounds: Omit<Inference, 'answer'>[];
  readonly streamEncodeMs: number[];
  maxAbsDiff: number;
}

export async function measure(
  page: Page,
  url: string,
  peers: readonly PeerSpec[],
  { shape, network, int8 }: Networks,
  rounds: number,
): Promise<Samples[]> {
  const infer = (id: string, image: number) =>
    limited(
      page.evaluate(([peer, at]) => (globalThis as unknown as PeersGlobals).peers.infer(peer, at), [id, image] as const),
      `${id} did not answer for ${LIMIT_MS / 1000} s`,
    );
  // LiteRT.js logs its progress as errors; only what precedes a failure is worth reading.
  const said: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !/^(?:INFO|WARNING):/.test(message.text())) said.push(message.text());
  });
  const runners: Runner[] = [];
  for (const peer of peers) {
    const own = peer.weights === 'int8' ? int8 : network;
    if (own === undefined) continue;
    const folder = `${url}${shape}${peer.weights === 'int8' ? '-int8' : ''}/`;
    const runner = { peer, expected: own.logits, rounds: [], streamEncodeMs: [], maxAbsDiff: 0 };
    try {
      const opening = page.evaluate((request) => (globalThis as unknown as PeersGlobals).peers.open(request), { peer, folder });
      const opened = await limited(opening, `${peer.id} did not open within ${LIMIT_MS / 1000} s`);
      console.error(`  ${peer.title}: first inference after ${opened.firstMs.toFixed(0)} ms`);
      runners.push({ ...runner, opened });
    } catch (error) {
      runners.push({ ...runner, failure: reasonOf(error) });
      console.error([`  ${peer.title}: ${reasonOf(error)}`, ...said.splice(0)].join('\n    '));
    }
  }
  const ask = async (runner: Runner) => {
    try {
      const { answer, ...inference } = await infer(runner.peer.id, 0);
      runner.maxAbsDiff = Math.max(runner.maxAbsDiff, worstDifference(answer, runner.expected[0]!, runner.peer.frame));
      return inference;
    } catch (error) {
      runner.failure = reasonOf(error);
      console.error([`  ${runner.peer.title}: ${runner.failure}`, ...said.splice(0)].join('\n    '));
      return undefined;
    }
  };
  for (let round = 0; round < rounds; round += 1) {
    for (let i = 0; i < runners.length; i += 1) {
      const runner = runners[(i + round) % runners.length];
      // A void row needs no more times.
      if (runner === undefined || isVoid(runner)) continue;
      const inference = await ask(runner);
      if (inference !== undefined) runner.rounds.push(inference);
    }
    console.error(`  round ${round + 1} of ${rounds}`);
  }
  for (const runner of runners) {
    const end = performance.now() + STREAM.ms;
    while (runner.peer.backend === 'webgpu' && !isVoid(runner) && runner.streamEncodeMs.length < STREAM.count) {
      const inference = await ask(runner);
      if (inference !== undefined) runner.streamEncodeMs.push(inference.encodeMs);
      if (performance.now() >= end) break;
    }
  }
  const samples: Samples[] = [];
  for (const { expected: _, ...runner } of runners) {
    if (runner.peer.weights !== 'int8' || isVoid(runner)) samples.push(runner);
    else samples.push({ ...runner, agreement: await agreementOf(runner.peer.id, network.logits, infer) });
  }
  return samples;
}

/** On how many images the best class is that of the f16 weights by PyTorch. */
async function agreementOf(
  id: string,
  logits: readonly Float32Array[],
  infer: (id: string, image: number) => Promise<{ readonly answer: readonly number[] }>,
): Promise<readonly [number, number]> {
  let same = 0;
  for (const [image, expected] of logits.entries()) {
    if (bestOf((await infer(id, image)).answer) === bestOf(expected)) same += 1;
  }
  return [same, logits.length];
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';

async function limited<T>(work: Promise<T>, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(message)), LIMIT_MS);
  });
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}
