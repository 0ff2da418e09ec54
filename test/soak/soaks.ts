/** The long runs, each a function of how long. They report figures and what went wrong; who calls them judges. */
import type { Page } from 'playwright';
import type { BackendChoice } from '../../src/index';
import { call, pageHeap, type SoakSite, workerHeap } from './browser';
import type { Healed, SoakRequest, Stage, Visited } from './page/page';
import type { Random } from './random';

/** When to stop although there is more to do, Date.now(). */
export interface Limit {
  readonly until: number;
}

const requestOf = (backend: BackendChoice): SoakRequest => ({ manifest: 'bundle/manifest.json', backend });
const STAGES: readonly Stage[] = ['idle', 'frame', 'load', 'calibration'];

export interface Growth {
  readonly done: number;
  /** Bytes held after a collection: after the warm-up, and at the end. */
  readonly before: number;
  readonly after: number;
}

/** Create, classify, dispose. Workers must be gone afterwards. */
export async function cycles(
  site: SoakSite,
  backend: BackendChoice,
  count: number,
  { until }: Limit,
): Promise<Growth & { readonly workers: number }> {
  const page = await site.openPage();
  const batch = Math.max(1, Math.min(20, count >> 2));
  let done = 0;
  const next = async () => {
    await call(page, 'cycles', requestOf(backend), Math.min(batch, count - done));
    done += Math.min(batch, count - done);
  };
  await next();
  const before = await pageHeap(page);
  while (done < count && Date.now() < until) await next();
  const after = await pageHeap(page);
  const workers = page.workers().length;
  await page.close();
  return { done, before, after, workers };
}

export interface FrameGrowth extends Growth {
  readonly worker: { readonly before: number; readonly after: number };
  readonly buffers: { readonly before: number; readonly after: number };
  readonly tensors: { readonly before: number; readonly after: number };
}

/** Frames on all routes by turns. */
export async function frames(site: SoakSite, backend: BackendChoice, count: number, { until }: Limit): Promise<FrameGrowth> {
  const page = await site.openPage();
  await call(page, 'open', requestOf(backend));
  const batch = Math.max(1, Math.min(500, count >> 2));
  const state = async () => {
    const stats = await call(page, 'frames', batch);
    return { stats, page: await pageHeap(page), worker: await workerHeap(page) };
  };
  const before = await state();
  let last = before;
  let done = batch;
  while (done < count && Date.now() < until) {
    last = await state();
    done += batch;
  }
  await call(page, 'close');
  await page.close();
  return {
    done,
    before: before.page,
    after: last.page,
    worker: { before: before.worker, after: last.worker },
    buffers: { before: before.stats.buffers, after: last.stats.buffers },
    tensors: { before: before.stats.tf.numTensors, after: last.stats.tf.numTensors },
  };
}

/** The device lost at every stage in turn. */
export async function heals(site: SoakSite, rounds: number, { until }: Limit): Promise<readonly Healed[]> {
  const page = await site.openPage();
  const healed: Healed[] = [];
  for (let round = 0; round < rounds && Date.now() < until; round++) {
    for (const stage of STAGES) healed.push(await call(page, 'heal', requestOf('webgpu'), stage));
  }
  await page.close();
  return healed;
}

export interface Kills {
  readonly done: number;
  /** Kills that hit before the load was complete. */
  readonly midway: number;
  /** Visits after a kill that did less than planned, because of the crash marker. */
  readonly cautious: number;
  readonly failures: readonly string[];
}

/** Kills the page's process at a random moment of its visit, and sees whether the next visit gets everything. */
export async function kills(
  site: SoakSite,
  backend: BackendChoice,
  count: number,
  random: Random,
  { until }: Limit,
): Promise<Kills> {
  // A slow link, so that there is a download to die in.
  await site.context.route('**/bundle/**', async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 20 + random() * 60));
    await route.continue().catch(() => {});
  });
  const failures: string[] = [];
  let midway = 0;
  let cautious = 0;
  let done = 0;
  // How long a visit takes is what the moments are spread over.
  const visitMs = await timeVisit(await fresh(site), backend);
  for (; done < count && Date.now() < until; done++) {
    const page = await fresh(site);
    let over = false;
    call(page, 'visit', requestOf(backend)).then(
      () => (over = true),
      () => {},
    );
    await new Promise((resolve) => setTimeout(resolve, random() * visitMs));
    if (!over) midway += 1;
    await crash(page);
    const again = await site.openPage();
    const visited = await call(again, 'visit', requestOf(backend));
    const problem = problemOf(visited);
    if (problem !== undefined) failures.push(`kill ${done}: ${problem}`);
    else if ('limits' in visited && visited.limits.includes('crash')) cautious += 1;
    await again.close();
  }
  await site.context.unroute('**/bundle/**');
  return { done, midway, cautious, failures };
}

function problemOf(visited: Visited | { readonly failed: string }): string | undefined {
  if ('failed' in visited) return visited.failed;
  if (!visited.passed) return 'wrong answers';
  return visited.all > visited.first ? undefined : `only ${visited.all} routes`;
}

async function timeVisit(page: Page, backend: BackendChoice): Promise<number> {
  const start = Date.now();
  await call(page, 'visit', requestOf(backend));
  await page.close();
  return Date.now() - start;
}

/** A page with nothing in its store. */
async function fresh(site: SoakSite): Promise<Page> {
  const page = await site.openPage();
  await page.evaluate(async () => {
    localStorage.clear();
    await new Promise((resolve) => {
      const request = indexedDB.deleteDatabase('running-stitch');
      for (const type of ['success', 'error', 'blocked']) request.addEventListener(type, resolve);
    });
  });
  return page;
}

/** Ends the page's process, as running out of memory does: no handler of the page runs. */
async function crash(page: Page): Promise<void> {
  const crashed = new Promise((resolve) => page.on('crash', resolve));
  const session = await page.context().newCDPSession(page);
  session.send('Page.crash').catch(() => {});
  await crashed;
  await page.close();
}
