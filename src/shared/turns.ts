/**
 * Several sources, one network: whose picture is next. Round robin over those that have a new picture. Nothing queues up: a source
 * that waits for its turn is read when the turn comes. When a frame may run at all is the runtime's own `watch`.
 */
import type { StitchError } from '../core/errors';
import type { Classification, FrameSource, Runtime } from '../runtime/api';

/** A source's side of the arrangement. */
export interface Seat {
  /** The newest picture; null where there is none after all. */
  take(): FrameSource | null;
  onResult(result: Classification): void;
  /** Every failure; `final` where the source is not asked again. */
  onError(error: StitchError, final: boolean): void;
}

export interface Turns {
  /** Seats a source. `offer` says that it has a new picture; after `leave` no callback comes. */
  join(seat: Seat): { offer(): void; leave(): void };
}

/** A source that fails this often in a row (a tainted video, say) is not asked again. Less than what ends a `watch`. */
const MAX_FAILURES = 5;

interface Place {
  readonly seat: Seat;
  fresh: boolean;
  failures: number;
}

export function createTurns(watch: Runtime['watch']): Turns {
  /** In the order of turns: who was served goes to the end. */
  let places: Place[] = [];
  let served: Place | undefined;
  let stop: (() => void) | undefined;

  const has = (place: Place): boolean => places.includes(place);
  const drop = (place: Place): void => {
    places = places.filter((one) => one !== place);
    if (places.length > 0) return;
    stop?.();
    stop = undefined;
    served = undefined;
  };
  const next = (): FrameSource | null => {
    // Asked again without an answer to the last picture: somebody else had the engine, and that picture was dropped.
    if (served !== undefined) served.fresh = true;
    served = undefined;
    for (const place of places) {
      if (!place.fresh) continue;
      place.fresh = false;
      const frame = place.seat.take();
      if (frame === null) continue;
      served = place;
      places = [...places.filter((one) => one !== place), place];
      return frame;
    }
    return null;
  };
  const onResult = (result: Classification): void => {
    const place = served;
    served = undefined;
    if (place === undefined || !has(place)) return;
    place.failures = 0;
    place.seat.onResult(result);
  };
  const onError = (error: StitchError): void => {
    const place = served;
    served = undefined;
    if (!error.recoverable) {
      // Each ending makes a new list.
      for (const one of places) end(one, error);
    } else if (place !== undefined && has(place)) {
      place.failures += 1;
      // Not the picture's fault; one that stands still is not offered again.
      if (error.detail['healing'] === true) place.fresh = true;
      if (place.failures >= MAX_FAILURES) end(place, error);
      else place.seat.onError(error, false);
      resume();
    }
  };
  const end = (place: Place, error: StitchError): void => {
    drop(place);
    place.seat.onError(error, true);
  };
  /**
   * A `watch` gives up after failures in a row, even where they came from several sources; the others still count on it. One frame at
   * a time: whose answer it is must be known.
   */
  const resume = (): void => {
    stop?.();
    stop = undefined;
    if (places.length === 0) return;
    // A watch that was stopped still answers the frame that was under way: by then that is nobody's.
    let current = true;
    const stopWatch = watch(next, {
      onResult: (result) => current && onResult(result),
      onError: (error) => current && onError(error),
      overlap: false,
    });
    stop = () => {
      current = false;
      stopWatch();
    };
  };
  return {
    join(seat) {
      const place: Place = { seat, fresh: false, failures: 0 };
      places.push(place);
      if (stop === undefined) resume();
      return {
        offer: () => (place.fresh = true),
        leave: () => drop(place),
      };
    },
  };
}
