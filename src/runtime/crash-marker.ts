/**
 * Remembers a load that ended the page. A tab that runs out of memory dies without a word, and would die again at the next visit;
 * so what is about to be loaded is written down before, and struck out after. What still stands there at the next start did not
 * end well.
 *
 * In localStorage, because only that can be written while a page is being closed: leaving in the middle of a load is no crash.
 */

const PREFIX = 'running-stitch:loading:';
/** After this time the device may have been freed, or the browser mended. */
const EXPIRY_MS = 7 * 24 * 3600_000;

interface Mark {
  readonly anchor: string;
  /** Date.now(). */
  readonly at: number;
}

export interface CrashMarker {
  /** The anchor whose load ended the page; undefined: none did. */
  readonly crashedAt: string | undefined;
  /** This anchor is about to be loaded. */
  begin(anchor: string): void;
  /** It was, or the attempt is over. */
  end(): void;
}

/** Loads of this page that are under way, by key: their mark is no crash. `found` is what stood there before them. */
const underWay = new Map<string, { readonly found: Mark | undefined; loads: number }>();

/** The marks of one bundle. Where there is no localStorage, nothing is remembered. */
export function openCrashMarker(manifestUrl: string): CrashMarker {
  const key = PREFIX + manifestUrl;
  const others = underWay.get(key);
  const found = others === undefined ? read(key) : others.found;
  let anchor: string | undefined;
  const strike = (): void => {
    // What an earlier visit left stays: it is what keeps this one from the same end.
    if (found === undefined || anchor === found.anchor) attempt(() => localStorage.removeItem(key));
    else write(key, found);
  };
  const write = (at: string, mark: Mark): void => attempt(() => localStorage.setItem(at, JSON.stringify(mark)));
  const mark = (): void => {
    if (anchor !== undefined) write(key, { anchor, at: Date.now() });
  };
  // Nobody looks at a hidden page; the system may end it for any reason.
  const onVisibility = (): void => (document.visibilityState === 'hidden' ? strike() : mark());
  return {
    crashedAt: found?.anchor,
    begin(next) {
      if (anchor === undefined) {
        const own = underWay.get(key) ?? { found, loads: 0 };
        own.loads += 1;
        underWay.set(key, own);
      }
      anchor = next;
      if (document.visibilityState !== 'hidden') mark();
      addEventListener('pagehide', strike);
      document.addEventListener('visibilitychange', onVisibility);
    },
    end() {
      removeEventListener('pagehide', strike);
      document.removeEventListener('visibilitychange', onVisibility);
      if (anchor === undefined) return;
      const own = underWay.get(key);
      if (own === undefined || --own.loads === 0) {
        underWay.delete(key);
        strike();
      }
      anchor = undefined;
    },
  };
}

/** Forgets the marks of all bundles. */
export function clearCrashMarks(): void {
  attempt(() => {
    for (const key of Object.keys(localStorage)) if (key.startsWith(PREFIX)) localStorage.removeItem(key);
  });
}

function read(key: string): Mark | undefined {
  return attempt(() => {
    const mark = JSON.parse(localStorage.getItem(key) ?? 'null') as Partial<Mark> | null;
    if (typeof mark?.anchor !== 'string' || typeof mark.at !== 'number') return undefined;
    const age = Date.now() - mark.at;
    return age >= 0 && age < EXPIRY_MS ? { anchor: mark.anchor, at: mark.at } : undefined;
  });
}

/** In a sandboxed frame the mere access throws, and a full store does at writing. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
