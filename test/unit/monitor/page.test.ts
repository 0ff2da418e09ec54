/** The page sensor over animation frames made by hand. */
import { describe, expect, test } from 'vitest';
import type { MonitorEnvironment, PerformanceObserverLike } from '../../../src/monitor/environment';
import { watchPage, type PageReading } from '../../../src/monitor/page';

interface Stage {
  readonly environment: MonitorEnvironment;
  readonly readings: PageReading[];
  /** One animation frame, `ms` after the one before. */
  frame(ms: number): void;
  long(ms: number): void;
  /** The page is hidden, or shown again. */
  turn(): void;
  readonly pending: number;
  readonly disconnected: number;
}

function stage(options: { longFrames?: boolean; throws?: boolean; hidden?: () => boolean } = {}): Stage {
  let now = 1000;
  let next: ((now: number) => void) | undefined;
  let report: ((list: { getEntries(): { duration: number }[] }) => void) | undefined;
  let disconnected = 0;
  const turned = new Set<() => void>();
  class Observer implements PerformanceObserverLike {
    static readonly supportedEntryTypes = options.longFrames ? ['long-animation-frame'] : ['mark'];
    constructor(callback: typeof report) {
      report = callback;
    }
    observe(): void {
      if (options.throws) throw new Error('not allowed');
    }
    disconnect(): void {
      disconnected++;
    }
  }
  const environment = {
    PerformanceObserver: Observer as unknown as NonNullable<MonitorEnvironment['PerformanceObserver']>,
    document: {
      get visibilityState() {
        return options.hidden?.() ? 'hidden' : 'visible';
      },
      addEventListener: (_: string, listener: () => void) => void turned.add(listener),
      removeEventListener: (_: string, listener: () => void) => void turned.delete(listener),
    },
    requestAnimationFrame(callback: (now: number) => void) {
      next = callback;
      return 1;
    },
    cancelAnimationFrame() {
      next = undefined;
    },
  } satisfies MonitorEnvironment;
  return {
    environment,
    readings: [],
    frame(ms) {
      now += ms;
      next?.(now);
    },
    long: (ms) => report?.({ getEntries: () => [{ duration: ms }] }),
    turn: () => turned.forEach((listener) => listener()),
    get pending() {
      return next ? 1 : 0;
    },
    get disconnected() {
      return disconnected;
    },
  };
}

function run(on: Stage, frames: number, ms: number): void {
  for (let i = 0; i < frames; i++) on.frame(ms);
}

describe('the page', () => {
  test('the time that it was hidden is no stutter', () => {
    const on = stage();
    const stop = watchPage((reading) => on.readings.push(reading), on.environment);
    run(on, 30, 1000 / 60);
    on.turn();
    on.turn();
    on.frame(5000);
    run(on, 70, 1000 / 60);
    stop();
    expect(on.readings).toHaveLength(1);
    expect(on.readings[0]!.fps).toBeCloseTo(60, 0);
    expect(on.readings[0]!.longMs).toBe(0);
  });

  test('frames a second, once a second', () => {
    const on = stage();
    const stop = watchPage((reading) => on.readings.push(reading), on.environment);
    run(on, 200, 1000 / 60);
    expect(on.readings).toHaveLength(3);
    for (const { fps, longMs } of on.readings) {
      expect(fps).toBeCloseTo(60, 0);
      expect(longMs).toBe(0);
    }
    stop();
    expect(on.pending).toBe(0);
    run(on, 100, 16);
    expect(on.readings).toHaveLength(3);
  });

  test('long frames as the browser reports them, else as gaps', () => {
    const told = stage({ longFrames: true });
    const stop = watchPage((reading) => told.readings.push(reading), told.environment);
    run(told, 30, 16);
    told.long(120);
    run(told, 40, 16);
    expect(told.readings[0]?.longMs).toBeCloseTo(120, -1);
    stop();
    expect(told.disconnected).toBe(1);

    for (const guessed of [stage(), stage({ longFrames: true, throws: true })]) {
      watchPage((reading) => guessed.readings.push(reading), guessed.environment);
      run(guessed, 30, 16);
      guessed.frame(150);
      run(guessed, 40, 16);
      expect(guessed.readings[0]?.longMs).toBeCloseTo(150, -1);
    }
  });

  test('unknown where there are no frames to count: hidden, throttled, or no window', () => {
    let hidden = false;
    const on = stage({ hidden: () => hidden });
    watchPage((reading) => on.readings.push(reading), on.environment);
    run(on, 30, 16);
    hidden = true;
    run(on, 3, 4000);
    hidden = false;
    run(on, 70, 16);
    expect(on.readings).toHaveLength(1);
    expect(on.readings[0]?.fps).toBeGreaterThan(55);
    run(on, 2, 3000);
    expect(on.readings.at(-1)?.fps).toBe('unknown');

    const none: PageReading[] = [];
    watchPage((reading) => none.push(reading), {})();
    expect(none).toEqual([{ fps: 'unknown', longMs: 'unknown' }]);
  });
});
