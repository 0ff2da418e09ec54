/**
 * Least-squares initialisation of stitches (snnet.md section 3; Pan et al., CVPR 2023, section 3.2), in a page or in Node.
 *
 * For a block pair (front i, back j) the rows of A are all tokens of all images after front block i, class tokens too; the rows of
 * B are what back block j takes in: the output of back block j - 1, or the back anchor's embedding for j = 0. A stitch that several
 * pairs share gets the arithmetic mean of their solutions, which is not the solution of the joined rows.
 */
import { StitchError } from '../core/errors';
import type { AffineSolution, LeastSquaresOptions } from './lstsq';
import { energyOf, finishOrthogonal, meanResidual, relativeResidual, requireFinite, solveSums, startOrthogonal } from './lstsq';
import type { OrthogonalFit } from './orthogonal';
import { packRows, ProductSum, type Panel, type Rows } from './products';

/** One stitch to be fitted; `pairs` are its uses: the last front block, inclusive, and the first back block. */
export interface StitchToFit {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly pairs: readonly { readonly front: number; readonly back: number }[];
}

/** What the anchors make of one batch of images. */
export interface Activations {
  /** Tokens of all images of the batch. */
  readonly rows: number;
  /** The tokens after a block, [rows, dim of the anchor]; block -1 is the embedding, positions and class token included. */
  tokens(anchor: string, block: number): Rows;
}

export interface FitOptions extends LeastSquaresOptions {
  readonly stitches: readonly StitchToFit[];
  /** Width of every anchor that a stitch names. */
  readonly dims: ReadonlyMap<string, number>;
  /** Starts a pass over the calibration images; a second pass, which is needed for ill-conditioned pairs only, must give the same. */
  readonly batches: () => AsyncIterable<Activations>;
  /** `share` of 1 of the whole fit; undefined while batches are read, whose number only the caller knows. */
  readonly onProgress?: (phase: 'accumulate' | 'solve' | 'refine', share: number | undefined) => void;
  readonly signal?: AbortSignal;
}

/** How well one block pair is matched; all residuals are Frobenius norms relative to ‖B‖. */
export interface PairReport {
  readonly stitch: string;
  readonly front: number;
  readonly back: number;
  /** Predicting the mean token alone. */
  readonly before: number;
  /** The pair's own solution. */
  readonly own: number;
  /** The stitch as it is written: the mean over its pairs. */
  readonly after: number;
  readonly method: AffineSolution['method'];
  readonly rank: number;
}

export interface FittedStitch {
  readonly id: string;
  /** [to dim, from dim] */
  readonly weight: Float32Array<ArrayBuffer>;
  /** [to dim] */
  readonly bias: Float32Array<ArrayBuffer>;
}

export interface FitResult {
  readonly stitches: readonly FittedStitch[];
  readonly pairs: readonly PairReport[];
  /** Tokens that the fit rests on. */
  readonly rows: number;
}

/** A block pair with its sums. */
interface Job {
  readonly stitch: StitchToFit;
  readonly front: number;
  readonly back: number;
  readonly gram: ProductSum;
  readonly cross: ProductSum;
  energy: number;
  solution?: AffineSolution;
}

/** One side of a pair: the output of a block. */
const sideKey = (anchor: string, block: number): string => `${anchor}\u0000${block}`;

/**
 * Fits every stitch. Takes one pass over the images, and a second one for pairs that the normal equations cannot be trusted with.
 * Errors: argument-invalid (no images, an unknown anchor, activations that are not finite or not of the anchor's width), aborted.
 */
export async function fitStitches(options: FitOptions): Promise<FitResult> {
  const jobs = plan(options);
  const { rows, single } = await accumulate(options, jobs);
  for (const [index, job] of jobs.entries()) {
    stopIfAborted(options.signal);
    requireFinite(job, `${job.stitch.from} block ${job.front} or ${job.stitch.to} block ${job.back - 1}`);
    const solution = solveSums(job, options.ridge);
    if (solution !== undefined) job.solution = solution;
    options.onProgress?.('solve', 0.8 + (0.1 * (index + 1)) / jobs.length);
    await breathe();
  }
  const rest = jobs.filter((job) => job.solution === undefined);
  if (rest.length > 0) await refine(options, rest, rows, single);
  return { ...combine(options.stitches, jobs), rows };
}

function plan({ stitches, dims }: FitOptions): Job[] {
  const dimOf = (anchor: string): number => {
    const dim = dims.get(anchor);
    if (dim !== undefined) return dim;
    throw new StitchError('argument-invalid', `A stitch names anchor "${anchor}", whose width is not given.`, { anchor });
  };
  const grams = new Map<string, ProductSum>();
  return stitches.flatMap((stitch) => {
    const { id, from, to, pairs } = stitch;
    const [inputs, outputs] = [dimOf(from), dimOf(to)];
    if (pairs.length === 0) throw new StitchError('argument-invalid', `Stitch "${id}" has no block pair to fit it on.`, { id });
    return pairs.map(({ front, back }) => {
      const key = sideKey(from, front);
      const gram = grams.get(key) ?? new ProductSum(inputs + 1, inputs + 1);
      grams.set(key, gram);
      return { stitch, front, back, gram, cross: new ProductSum(inputs + 1, outputs), energy: 0 };
    });
  });
}

/** Reads a side of a pair, checked. */
function side(batch: Activations, anchor: string, block: number, dim: number): Rows {
  const rows = batch.tokens(anchor, block);
  if (rows.length === batch.rows * dim) return rows;
  const found = `${anchor} block ${block} has ${rows.length} values for ${batch.rows} tokens of width ${dim}`;
  throw new StitchError('argument-invalid', `${found}. Give all tokens of all images.`, { anchor, block });
}

async function accumulate({ batches, signal, onProgress }: FitOptions, jobs: readonly Job[]) {
  let rows = 0;
  let single = true;
  for await (const batch of batches()) {
    stopIfAborted(signal);
    const lefts = new Map<string, readonly Panel[]>();
    const rights = new Map<string, { readonly panels: readonly Panel[]; readonly energy: number }>();
    for (const { stitch, front, back, gram, cross } of jobs) {
      const left = sideKey(stitch.from, front);
      if (!lefts.has(left)) {
        const source = side(batch, stitch.from, front, gram.height - 1);
        single &&= source instanceof Float32Array;
        const panels = packRows(source, gram.height - 1, batch.rows, true);
        lefts.set(left, panels);
        gram.addGram(panels);
      }
      const right = sideKey(stitch.to, back - 1);
      if (rights.has(right)) continue;
      const source = side(batch, stitch.to, back - 1, cross.width);
      rights.set(right, { panels: packRows(source, cross.width, batch.rows, false), energy: energyOf(source) });
    }
    for (const job of jobs) {
      const right = rights.get(sideKey(job.stitch.to, job.back - 1))!;
      job.cross.add(lefts.get(sideKey(job.stitch.from, job.front))!, right.panels);
      job.energy += right.energy;
    }
    rows += batch.rows;
    onProgress?.('accumulate', undefined);
    await breathe();
  }
  if (rows === 0) throw new StitchError('argument-invalid', 'There is no image to fit on. Pass at least one batch.');
  for (const gram of new Set(jobs.map((job) => job.gram))) gram.mirror();
  return { rows, single };
}

/** The orthogonal way, for pairs whose channels (nearly) depend on each other. */
async function refine(
  { batches, ridge, rcond, signal, onProgress }: FitOptions,
  jobs: readonly Job[],
  rows: number,
  single: boolean,
): Promise<void> {
  const fits = new Map<Job, OrthogonalFit>(jobs.map((job) => [job, startOrthogonal(job, ridge)]));
  for await (const batch of batches()) {
    for (const [{ stitch, front, back, gram, cross }, fit] of fits) {
      stopIfAborted(signal);
      const a = side(batch, stitch.from, front, gram.height - 1);
      fit.add(a, side(batch, stitch.to, back - 1, cross.width), batch.rows);
      await breathe();
    }
    onProgress?.('refine', undefined);
  }
  let done = 0;
  for (const [job, fit] of fits) {
    stopIfAborted(signal);
    job.solution = finishOrthogonal(fit, job, rows, single, rcond);
    done += 1;
    onProgress?.('refine', 0.9 + (0.1 * done) / jobs.length);
    await breathe();
  }
}

function combine(stitches: readonly StitchToFit[], jobs: readonly Job[]): Pick<FitResult, 'stitches' | 'pairs'> {
  const pairs: PairReport[] = [];
  const fitted = stitches.map((stitch) => {
    const own = jobs.filter((job) => job.stitch === stitch);
    const solutions = own.map((job) => job.solution!);
    const weight = mean(solutions.map((solution) => solution.weight));
    const bias = mean(solutions.map((solution) => solution.bias));
    for (const [index, job] of own.entries()) {
      const solution = solutions[index]!;
      const alone = relativeResidual(job, solution);
      pairs.push({
        stitch: stitch.id,
        front: job.front,
        back: job.back,
        before: meanResidual(job),
        own: alone,
        after: own.length === 1 ? alone : relativeResidual(job, { weight, bias }),
        method: solution.method,
        rank: solution.rank,
      });
    }
    return { id: stitch.id, weight: Float32Array.from(weight), bias: Float32Array.from(bias) };
  });
  return { stitches: fitted, pairs };
}

function mean(parts: readonly Float64Array<ArrayBuffer>[]): Float64Array<ArrayBuffer> {
  const sum = new Float64Array(parts[0]!.length);
  for (const part of parts) for (let i = 0; i < sum.length; i += 1) sum[i] = sum[i]! + part[i]!;
  return sum.map((value) => value / parts.length);
}

function stopIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new StitchError('aborted', 'Fitting was aborted by its caller; nothing was kept.', {}, signal.reason);
  }
}

/** Lets timers and signals run between long computations. */
const breathe = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));
