/** What the browser's processes hold, asked of the system: it sees workers, WASM and the GPU process, which no page can. */
import { execFileSync } from 'node:child_process';
import type { Browser } from 'playwright';

/** Resident memory in MB. The weights of a software adapter are in the GPU process; those of a real GPU are in neither. */
export interface Memory {
  readonly rendererMb: number;
  readonly gpuMb: number;
}

/** Undefined where the system has no `ps`. Shared pages count in every process that maps them. */
export async function browserMemory(browser: Browser): Promise<Memory | undefined> {
  const session = await browser.newBrowserCDPSession();
  try {
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    const sum = (type: string) =>
      processInfo.reduce((total, { id, type: own }) => (own.toLowerCase() === type ? total + residentKb(id) : total), 0) / 1000;
    return { rendererMb: sum('renderer'), gpuMb: sum('gpu') };
  } catch {
    return undefined;
  } finally {
    await session.detach();
  }
}

const residentKb = (id: number): number =>
  Number(execFileSync('ps', ['-o', 'rss=', '-p', String(id)], { encoding: 'utf8' }).trim());
