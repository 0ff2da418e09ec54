/** Real processor load: workers that compute without end. */

const LOOP = 'let x = 1; for (;;) x = Math.sqrt(x + 1.5);';

/** Starts `count` of them; returns stop. */
export function startBurners(count: number): () => void {
  const url = URL.createObjectURL(new Blob([LOOP], { type: 'text/javascript' }));
  const workers = Array.from({ length: count }, () => new Worker(url));
  return () => {
    for (const worker of workers) worker.terminate();
    URL.revokeObjectURL(url);
  };
}
