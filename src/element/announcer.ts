/** What a screen reader is told, and how often: the newest text at a calm rate, and never the same twice in a row. */

/** Shortest time between two announcements. A sentence takes about as long to speak. */
const CALM_MS = 3000;

export interface Announcer {
  say(text: string): void;
  /** What was said is no longer so. */
  clear(): void;
  stop(): void;
}

export function createAnnouncer(speak: (text: string) => void): Announcer {
  let said = '';
  let saidAt = Number.NEGATIVE_INFINITY;
  let waiting = '';
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = (): void => {
    timer = undefined;
    if (waiting === said) return;
    said = waiting;
    saidAt = performance.now();
    speak(said);
  };
  return {
    say(text) {
      waiting = text;
      if (timer !== undefined) return;
      const wait = saidAt + CALM_MS - performance.now();
      if (wait <= 0) flush();
      else timer = setTimeout(flush, wait);
    },
    clear() {
      clearTimeout(timer);
      timer = undefined;
      waiting = '';
      if (said === '') return;
      said = '';
      speak('');
    },
    stop() {
      clearTimeout(timer);
      timer = undefined;
    },
  };
}
