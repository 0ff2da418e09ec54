/** Progress with an estimate of the time left, on stderr: a line that is rewritten on a terminal, else a line every few seconds. */
import process from 'node:process';

export interface ProgressSink {
  readonly isTTY: boolean;
  write(text: string): void;
}

export interface Progress {
  /** `share` of 1 that is done. Nothing is shown in the first second. */
  update(phase: string, share: number): void;
  /** Clears the line. */
  end(): void;
}

const FIRST_MS = 1000;
const TTY_MS = 100;
const LOG_MS = 10_000;

/** Seconds as people read them: 42 s, 3 min 5 s, 2 h 10 min. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export const stderrSink: ProgressSink = {
  get isTTY() {
    return process.stderr.isTTY;
  },
  write: (text) => void process.stderr.write(text),
};

/** The estimate is of the phase that is running, from its own pace. `now` in milliseconds. */
export function createProgress(sink: ProgressSink = stderrSink, now: () => number = () => performance.now()): Progress {
  const born = now();
  let phase = '';
  let start = { time: born, share: 0 };
  let shown = -Infinity;
  let dirty = false;
  return {
    update(next, share) {
      const time = now();
      if (next !== phase) {
        phase = next;
        start = { time, share };
      }
      if (time - born < FIRST_MS || time - shown < (sink.isTTY ? TTY_MS : LOG_MS)) return;
      shown = time;
      const gained = share - start.share;
      const left = gained > 0 ? `, ${duration(((time - start.time) / 1000) * ((1 - share) / gained))} left` : '';
      const text = `${phase} ${Math.floor(share * 100)} %${left}`;
      dirty = sink.isTTY;
      sink.write(sink.isTTY ? `\r\u001B[K${text}` : `${text}\n`);
    },
    end() {
      if (dirty) sink.write('\r\u001B[K');
      dirty = false;
    },
  };
}
