/**
 * Remembers a load that ended the page. A tab that runs out of memory dies without a word, and would die again at the next visit;
 * so what is about to be loaded is written down before, and struck out after. What still stands there at the next start did not
 * end well.
 *
 * In localStorage, because only that can be written while a page is being closed: leaving in the middle of a load is no crash. A load
 * under way in another window is none either: that window holds a lock (Web Locks), which the browser takes from a page that dies.
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
  /** It was (`done`), or the attempt is over. */
  end(done: boolean): void;
}

interface UnderWay {
  /** What an earlier visit left, until that anchor has been loaded after all. */
  found: Mark | undefined;
  loads: number;
}

/** Loads of this page that are under way, by key: their mark is no crash. */
const underWay = new Map<string, UnderWay>();

/** Tells this page's locks from those of other windows. */
const PAGE = `#${Math.random().toString(36).slice(2)}`;

/** The marks of one bundle. Where there is no localStorage, nothing is remembered. */
export async function openCrashMarker(manifestUrl: string): Promise<CrashMarker> {
  const key = PREFIX + manifestUrl;
  const elsewhere = await loadsElsewhere(key);
  let own = underWay.get(key) ?? { found: elsewhere ? undefined : read(key), loads: 0 };
  let anchor: string | undefined;
  let unlock = (): void => {};
  const strike = (): void => {
    // What an earlier visit left stays: it is what keeps this one, and the next, from the same end.
    if (own.found === undefined) attempt(() => localStorage.removeItem(key));
    else write(key, own.found);
  };
  const write = (at: string, mark: Mark): void => attempt(() => localStorage.setItem(at, JSON.stringify(mark)));
  const mark = (): void => {
    if (anchor !== undefined) write(key, { anchor, at: Date.now() });
  };
  // Nobody looks at a hidden page; the system may end it for any reason.
  const onVisibility = (): void => (document.visibilityState === 'hidden' ? strike() : mark());
  return {
    crashedAt: own.found?.anchor,
    begin(next) {
      if (anchor === undefined) {
        own = underWay.get(key) ?? own;
        own.loads += 1;
        underWay.set(key, own);
        unlock = lock(key + PAGE);
      }
      anchor = next;
      if (document.visibilityState !== 'hidden') mark();
      addEventListener('pagehide', strike);
      document.addEventListener('visibilitychange', onVisibility);
    },
    end(done) {
      removeEventListener('pagehide', strike);
      document.removeEventListener('visibilitychange', onVisibility);
      if (anchor === undefined) return;
      unlock();
      if (done && own.found?.anchor === anchor) own.found = undefined;
      if (--own.loads === 0) {
        underWay.delete(key);
        strike();
      }
      anchor = undefined;
    },
  };
}

/** Whether another window is in the middle of a load. Where nothing can be asked, none is. */
async function loadsElsewhere(key: string): Promise<boolean> {
  try {
    const { held = [] } = await navigator.locks.query();
    return held.some(({ name }) => name?.startsWith(`${key}#`) === true && name !== key + PAGE);
  } catch {
    return false;
  }
}

/** Held until the returned function is called, or the page is gone. */
function lock(name: string): () => void {
  let unlock = (): void => {};
  const held = new Promise<void>((resolve) => (unlock = resolve));
  // Shared: several loads of a page hold it at a time.
  attempt(() => void navigator.locks.request(name, { mode: 'shared' }, () => held).catch(() => {}));
  return unlock;
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
