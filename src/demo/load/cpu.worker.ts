/** Keeps one core busy for a share of every slice. The gaps let the system schedule others, and let us measure honestly. */
import type { BurnOrder, BurnReport } from './burner';

const SLICE_MS = 40;

/** Work that cannot be optimised away: the result is kept. */
let sink = 1;
function spin(until: number): void {
  while (performance.now() < until) {
    for (let i = 0; i < 2000; i++) sink = Math.sqrt(sink + i) + 1;
  }
}

function burn(strength: number): void {
  let busy = 0;
  let since = performance.now();
  const turn = () => {
    const start = performance.now();
    spin(start + SLICE_MS * strength);
    const now = performance.now();
    busy += now - start;
    if (now - since >= 1000) {
      postMessage({ type: 'busy', share: Math.min(busy / (now - since), 1), what: String(sink > 0) } satisfies BurnReport);
      busy = 0;
      since = now;
    }
    setTimeout(turn, SLICE_MS * (1 - strength));
  };
  turn();
}

addEventListener('message', ({ data }: MessageEvent<BurnOrder>) => burn(data.strength), { once: true });
