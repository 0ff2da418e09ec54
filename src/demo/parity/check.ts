/** Runs the known answers and the sample photos through each executor, through the public API and nothing else. */
import { VERSION } from '../../index';
import type { AdapterSummary, CheckReport, ExecutorKind, LoadProgress, Prediction, RouteState } from '../../index';
import { type Opened, type Unavailable, onExecutor } from '../executors';
import type { Photo } from '../state';
import { untilFree } from '../when-free';

/** Which network the photos go through. */
export type RouteWish = 'largest' | 'stitched' | 'smallest';

export interface CheckedExecutor {
  readonly executor: ExecutorKind;
  readonly reason: string;
  readonly adapter?: AdapterSummary;
  readonly check: CheckReport;
  /** One a photo, in their order. */
  readonly answers: readonly (readonly Prediction[])[];
}

/** What can be copied. */
export interface ParityResult {
  readonly format: 'running-stitch-parity/1';
  readonly version: string;
  readonly at: string;
  readonly userAgent: string;
  readonly bundle: { readonly name: string; readonly version: string; readonly hash: string };
  /** The route of the photos' answers. */
  readonly route: string;
  readonly photos: readonly string[];
  readonly executors: readonly CheckedExecutor[];
  readonly unavailable: readonly Unavailable[];
}

export type Step =
  | { readonly kind: 'loading'; readonly progress: LoadProgress }
  | { readonly kind: 'asking'; readonly photo: number; readonly share: number };

export interface ParityPlan {
  readonly executors: readonly ExecutorKind[];
  readonly wish: RouteWish;
  readonly bundle: URL;
  readonly photos: readonly { readonly photo: Photo; readonly picture: HTMLCanvasElement }[];
  readonly signal: AbortSignal;
  /** `index`: of the executor among those planned. */
  readonly onStep: (index: number, executor: ExecutorKind, step: Step) => void;
}

/** Errors: aborted, network, bundle-*, frame-invalid; an executor that fails otherwise is part of the result. */
export async function checkParity(plan: ParityPlan): Promise<ParityResult> {
  const executors: CheckedExecutor[] = [];
  const unavailable: Unavailable[] = [];
  let bundle: ParityResult['bundle'] = { name: '', version: '', hash: '' };
  let route = '';
  for (const [index, executor] of plan.executors.entries()) {
    const tell = (step: Step) => plan.onStep(index, executor, step);
    const outcome = await onExecutor(
      executor,
      { ...plan, waitFor: 'all', onProgress: (progress) => tell({ kind: 'loading', progress }) },
      async (opened) => {
        const { name, version, hash } = opened.runtime.bundle;
        bundle = { name, version, hash };
        return checkOne(opened, plan, tell, (chosen) => (route = chosen));
      },
    );
    if ('done' in outcome) executors.push(outcome.done);
    else unavailable.push(outcome.unavailable);
  }
  return {
    format: 'running-stitch-parity/1',
    version: VERSION,
    at: new Date().toISOString(),
    userAgent: navigator.userAgent,
    bundle,
    route,
    photos: plan.photos.map(({ photo }) => photo.title),
    executors,
    unavailable,
  };
}

async function checkOne(
  { runtime }: Opened,
  { wish, photos, signal }: ParityPlan,
  tell: (step: Step) => void,
  onRoute: (route: string) => void,
): Promise<CheckedExecutor> {
  const route = routeFor(wish, runtime.routes);
  onRoute(route);
  const answers: (readonly Prediction[])[] = [];
  for (const [i, { picture }] of photos.entries()) {
    tell({ kind: 'asking', photo: i, share: i / photos.length });
    const { top } = await untilFree(() => runtime.classify(picture, { route, signal }), signal);
    answers.push(top);
  }
  const { executor, reason, adapter } = runtime.device;
  return { executor, reason, ...(adapter === undefined ? {} : { adapter }), check: runtime.check, answers };
}

/** Goes by the bundle alone, so it is the same on every executor. Of the stitched routes, the one in the middle by cost. */
export function routeFor(wish: RouteWish, routes: readonly RouteState[]): string {
  const able = routes.filter(({ available }) => available).sort((a, b) => a.macs - b.macs);
  const stitched = able.filter(({ path }) => path.length > 1);
  const whole = able.filter(({ path }) => path.length === 1);
  const chosen = wish === 'stitched' ? stitched[stitched.length >> 1] : wish === 'smallest' ? whole[0] : whole.at(-1);
  return (chosen ?? able.at(-1))?.id ?? '';
}
