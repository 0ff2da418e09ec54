/** Throughput instead of latency: many photos, as many at once as the executor takes, the next ones decoded meanwhile. */
import { unlessAborted } from '../core/abort';
import { asStitchError, fromWire, StitchError } from '../core/errors';
import type { Prediction } from '../core/types';
import type { EngineFrame } from '../engine/api';
import type { FrameSource, PhotoAnswer, PhotosOptions } from './api';
import { toEngineFrame } from './frame';
import type { EngineHost } from './heal';
import type { Lock } from './lock';
import { askToPersist } from './persist';

export interface PhotosParts {
  readonly host: EngineHost;
  readonly lock: Lock;
  /** The route for photos that bring none. */
  readonly route: () => string;
  readonly named: (top: readonly { readonly index: number; readonly probability: number }[]) => readonly Prediction[];
  /** Ask the browser, after the first answer, not to drop what is cached. */
  readonly persist: boolean;
}

/** A photo on its way: its pixels, or why it has none. */
interface Decoded {
  readonly index: number;
  readonly photo: FrameSource;
  readonly frame: EngineFrame | StitchError;
}

/** The iterable's members, `size` at a time. */
async function* inGroups<T>(items: Iterable<T> | AsyncIterable<T>, size: () => number): AsyncGenerator<readonly T[]> {
  let group: T[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length < size()) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

const decode = (photos: readonly Pick<Decoded, 'index' | 'photo'>[]): Promise<Decoded[]> =>
  Promise.all(
    photos.map(async ({ index, photo }) => ({
      index,
      photo,
      frame: await toEngineFrame(photo).catch((error: unknown) => asStitchError(error)),
    })),
  );

type Readable = Decoded & { readonly frame: EngineFrame };
const isReadable = (one: Decoded): one is Readable => !(one.frame instanceof StitchError);
const abortedPhotos = (): StitchError => new StitchError('aborted', 'The photos were aborted by their caller.');

const close = (group: readonly Decoded[]): void => {
  for (const { frame } of group) if ('close' in frame) frame.close();
};

/** What `Runtime.classifyAll` promises. */
export async function* classifyPhotos(
  photos: Iterable<FrameSource> | AsyncIterable<FrameSource>,
  parts: PhotosParts,
  { route, signal }: PhotosOptions,
): AsyncGenerator<PhotoAnswer> {
  const { host } = parts;
  const groups = inGroups(photos, () => host.info.batchSize);
  let index = 0;
  /** The next group, being decoded while the present one is classified. */
  const fetchNext = async (): Promise<Decoded[] | undefined> => {
    const { done, value } = await groups.next();
    if (done === true) return undefined;
    const first = index;
    index += value.length;
    return decode(value.map((photo, i) => ({ index: first + i, photo })));
  };
  let coming = fetchNext();
  coming.catch(() => {});
  try {
    for (;;) {
      // An iterable may keep us waiting, and nobody waits beyond the end.
      const group = await unlessAborted(host.unlessEnded(coming), signal, abortedPhotos);
      if (group === undefined) return;
      coming = fetchNext();
      coming.catch(() => {});
      yield* await answer(group, route ?? parts.route(), parts);
    }
  } finally {
    // Given up by the caller, or by an error: what was decoded ahead is let go.
    coming.then((group) => close(group ?? []), () => {}); // prettier-ignore
    groups.return(undefined).catch(() => {});
  }
}

async function answer(group: readonly Decoded[], route: string, parts: PhotosParts): Promise<PhotoAnswer[]> {
  const { host, lock, named, persist } = parts;
  const failed = (error: StitchError): Pick<PhotoAnswer, 'top' | 'error'> => ({ top: [], error });
  let readable = group.filter(isReadable);
  const answers = new Map<number, Pick<PhotoAnswer, 'top' | 'error'>>();
  for (const { index, frame } of group) if (frame instanceof StitchError) answers.set(index, failed(frame));
  while (readable.length > 0) {
    const frames = readable.map(({ frame }) => frame);
    try {
      const results = await lock.hold('classifying photos', () => host.classifyBatch(frames, route));
      for (const [i, result] of results.entries()) {
        const { index } = readable[i]!;
        answers.set(index, 'top' in result ? { top: named(result.top) } : failed(fromWire(result.error)));
      }
      if (persist && results.some((result) => 'top' in result)) askToPersist();
      break;
    } catch (error) {
      close(readable);
      const known = asStitchError(error);
      if (known.detail['healing'] !== true) throw known;
      // The frames went down with the engine, but the photos are still here; but for one that its owner has closed since.
      const again = await decode(readable);
      for (const { index, frame } of again) if (frame instanceof StitchError) answers.set(index, failed(frame));
      readable = again.filter(isReadable);
    }
  }
  return group.map(({ index, photo }) => ({ index, photo, route, ...answers.get(index)! }));
}
