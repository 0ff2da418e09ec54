/**
 * "Slow my device": real work beside the classifier, in workers of its own. On WebGPU a second GPUDevice computes in a
 * loop; on the fallback every core spins. Stopping terminates the workers, which ends their work and frees their device.
 */
import type { ExecutorKind } from '../../index';
import type { LoadState } from './state';

/** What a burning worker says, about once a second. */
export type BurnReport =
  { readonly type: 'busy'; readonly share: number; readonly what: string } | { readonly type: 'failed'; readonly why: string };

/** What a burning worker is told, once. */
export interface BurnOrder {
  /** Share of the time that should be busy, 0…1. */
  readonly strength: number;
}

export interface Burner {
  start(executor: ExecutorKind, strength: number): void;
  stop(): void;
}

/** More workers than this slow the page itself down, whatever the machine. */
const MOST_WORKERS = 16;

export function createBurner(report: (state: LoadState) => void): Burner {
  let workers: Worker[] = [];

  const end = () => {
    for (const worker of workers) worker.terminate();
    workers = [];
  };

  const run = (on: 'gpu' | 'cpu', made: Worker[], strength: number, failed: (why: string) => void) => {
    workers = made;
    const shares = new Map<Worker, number>();
    report({ kind: 'starting', on });
    for (const worker of made) {
      worker.onmessage = ({ data }: MessageEvent<BurnReport>) => {
        if (!workers.includes(worker)) return;
        if (data.type === 'failed') return failed(data.why);
        shares.set(worker, data.share);
        const mean = [...shares.values()].reduce((sum, share) => sum + share, 0) / shares.size;
        report({ kind: 'on', on, workers: made.length, share: mean, what: data.what });
      };
      worker.onerror = () => failed('the worker stopped');
      worker.postMessage({ strength } satisfies BurnOrder);
    }
  };

  const startCpu = (strength: number) => {
    const count = Math.min(Math.max(navigator.hardwareConcurrency || 2, 1), MOST_WORKERS);
    const made = Array.from(
      { length: count },
      () => new Worker(new URL('./cpu.worker.ts', import.meta.url), { type: 'module' }),
    );
    // 70 to 90 % of every core: a page that cannot answer any more would show nothing.
    run('cpu', made, Math.min(Math.max(strength, 0.3), 0.9), (why) => {
      end();
      report({ kind: 'failed', why });
    });
  };

  return {
    start(executor, strength) {
      end();
      if (executor !== 'webgpu') return startCpu(strength);
      const worker = new Worker(new URL('./gpu.worker.ts', import.meta.url), { type: 'module' });
      // Without a second device the CPU still can be loaded, and the GPU's driver needs it too.
      run('gpu', [worker], strength, () => {
        end();
        startCpu(strength);
      });
    },
    stop() {
      end();
      report({ kind: 'off' });
    },
  };
}
