/** The `profile` command: latencies of routes in a real browser, against what the predictor says of them, into the manifest. */
import { join, resolve } from 'node:path';
import type { PriorsSpec } from '../../bundle/manifest';
import { validateManifest } from '../../bundle/validate';
import type { Visit } from '../../control/typical';
import { StitchError } from '../../core/errors';
import { quantileSorted } from '../../core/stats';
import { toRouteInfo } from '../../model/describe';
import { browserPath, openPage, ToolError, type OpenPage } from '../lib/browser';
import { startHost } from '../lib/host';
import type { Answer, Loaded } from '../page/protocol';
import type { Io } from './commands';
import { mega, textTable } from './inspect';
import { manifestText } from './manifest-text';
import { throwIfStopped, writeWhole } from './partial';
import { planProfile, reportOf, withPriors, type ProfilePlan, type ProfileReport } from './profile';
import { readManifest } from './read-bundle';

export interface ProfileArguments {
  readonly json: boolean;
  readonly backend: 'auto' | 'webgpu' | 'wasm' | 'cpu';
  readonly routes?: readonly string[];
  readonly fit: number;
  readonly predictOnly: boolean;
  readonly rounds: number;
  readonly frames: number;
  readonly write: boolean;
}

export async function profile(folder: string, args: ProfileArguments, io: Io): Promise<number> {
  const path = resolve(folder, 'manifest.json');
  const { manifest, document } = await readManifest(folder);
  const plan = planProfile(manifest, {
    stitched: args.fit,
    few: args.predictOnly,
    ...(args.routes === undefined ? {} : { named: args.routes }),
  });
  const { engine, visits } = await measure(path, plan, args, io);
  const report = reportOf(manifest.routes.map(toRouteInfo), plan, visits);
  const priors = withPriors(manifest.priors, priorsOf(engine, report, args.rounds * args.frames));
  if (args.write) {
    const text = manifestText({ ...document, priors });
    validateManifest(JSON.parse(text), path);
    await writeWhole(path, text);
  }
  io.progress.end();
  const about = { executor: engine.executor, reason: engine.reason, ...(engine.adapter ? { adapter: engine.adapter } : {}) };
  const { rounds, frames } = args;
  const result = { bundle: folder, ...about, rounds, frames, written: args.write, ...report };
  io.out(args.json ? JSON.stringify(result, undefined, 2) : reportText(folder, engine, args, report));
  return 0;
}

function valueOf<T>(answer: Answer<T>): T {
  if ('error' in answer) throw new ToolError(answer.error.message);
  return answer.value;
}

/** Milliseconds of each frame by route. Errors: aborted; ToolError where the browser or the engine does not start. */
async function measure(path: string, { fit, heldOut }: ProfilePlan, args: ProfileArguments, { progress, signal }: Io) {
  const { backend, rounds, frames } = args;
  throwIfStopped(signal);
  const executable = browserPath();
  progress.update('starting the browser', 0);
  const host = await startHost(path, []);
  let page: OpenPage | undefined;
  const end = () => void page?.close();
  signal.addEventListener('abort', end);
  try {
    page = await openPage(executable, host.url, (phase, share) => progress.update(phase, share));
    const engine = valueOf(await page.load({ manifest: 'bundle/manifest.json', backend }));
    const visits: Visit[] = [];
    const routes = [...fit, ...heldOut];
    for (let round = 0; round < rounds; round += 1) {
      for (const [index, { id }] of routes.entries()) {
        throwIfStopped(signal);
        progress.update('measuring', (round + index / routes.length) / rounds);
        visits.push({ route: id, samplesMs: valueOf(await page.time(id, frames)) });
      }
    }
    return { engine, visits };
  } catch (error) {
    throwIfStopped(signal); // closing the browser under a call makes it fail in several ways
    if (error instanceof StitchError || error instanceof ToolError) throw error;
    throw new ToolError(`the browser failed: ${String(error).split('\n')[0]}`, { cause: error });
  } finally {
    signal.removeEventListener('abort', end);
    await page?.close();
    host.close();
  }
}

const adapterText = ({ adapter }: Loaded): string | undefined =>
  adapter && [adapter.vendor, adapter.architecture, adapter.description].filter((word) => word !== '').join(' ');

/** Measured routes only: what was predicted follows from them again. */
function priorsOf(engine: Loaded, { routes }: ProfileReport, frames: number): PriorsSpec {
  const microseconds = (ms: number) => Math.round(ms * 1e3) / 1e3;
  const adapter = adapterText(engine);
  return {
    executor: engine.executor,
    ...(adapter === undefined ? {} : { adapter }),
    date: new Date().toISOString().slice(0, 10),
    frames,
    routes: routes.flatMap(({ id, medianMs, spreadMs }) =>
      medianMs === undefined || spreadMs === undefined
        ? []
        : [{ route: id, medianMs: microseconds(medianMs), spreadMs: microseconds(spreadMs) }],
    ),
  };
}

const percent = (share: number, digits: number): string => `${(share * 100).toFixed(digits)} %`;

/** Quartiles further apart than this share of the median, in the middle of the routes: something else was running. */
const BUSY = 0.3;

function reportText(folder: string, engine: Loaded, args: ProfileArguments, { routes, heldOut }: ProfileReport): string {
  const { rounds, frames, write } = args;
  const adapter = adapterText(engine);
  const head = `${folder} on ${engine.executor}${adapter === undefined ? '' : `, ${adapter}`}: ${rounds} rounds of ${frames} frames, interleaved`;
  const table = textTable(
    ['route', 'MMACs', 'top-1', 'median ms', 'spread', 'predicted', 'error', 'role'],
    routes.map(({ id, macs, top1, medianMs, spreadMs, predictedMs, error, role }) => [
      id,
      mega(macs),
      top1 === undefined ? undefined : percent(top1, 2),
      medianMs?.toFixed(2),
      spreadMs?.toFixed(2),
      predictedMs.toFixed(2),
      error === undefined ? undefined : percent(error, 1),
      role,
    ]),
  );
  const fitted = routes.filter(({ role }) => role === 'fit').length;
  const error =
    heldOut === undefined
      ? `The predictor was fitted on all ${fitted} measured routes; none is left to test it on.`
      : `Fitted on ${fitted} routes, the predictor is off by ${percent(heldOut.medianError, 1)} in the median and ${percent(heldOut.worstError, 1)} at worst on ${heldOut.routes} others.`;
  const shares = routes.flatMap(({ medianMs, spreadMs }) => (medianMs && spreadMs !== undefined ? [spreadMs / medianMs] : []));
  const spread = quantileSorted(
    shares.sort((a, b) => a - b),
    0.5,
  );
  const busy =
    spread > BUSY
      ? [`Times spread by ${percent(spread, 0)} of their median: this machine is busy. Measure again when it is idle.`]
      : [];
  const priors = write ? `The measured times stand in ${join(folder, 'manifest.json')} as priors.` : 'Nothing was written.';
  return [head, engine.reason, '', table, '', error, ...busy, priors].join('\n');
}
