/** Turns a runtime's events into the page's state. */
import { explainDecision } from '../index';
import type { Runtime, StitchError } from '../index';
import { withEntry, withSample } from './state';
import type { Loaded, State } from './state';
import { isPassing } from './troubles';
import { isWhole } from './ui/arrivals';

export interface EventHost {
  readonly get: () => State;
  readonly change: (patch: Partial<State>) => void;
  /** The runtime is of no use any more. */
  readonly fail: (error: unknown) => void;
  /** Another route has been taken. */
  readonly switched: () => void;
  /** Nothing more arrives, for now. */
  readonly settled: () => void;
  /** False once another runtime has taken this one's place. */
  readonly isCurrent: () => boolean;
}

export function listen(made: Runtime, { get, change, fail, switched, settled, isCurrent }: EventHost): void {
  /** What the runtime says about itself has changed. */
  const renew = () => {
    if (isCurrent() && get().loaded !== null) change({ loaded: describe(made), route: made.route });
  };
  const available = () => made.routes.flatMap(({ id, available: here }) => (here ? [id] : []));
  /** What ran before a loss, until it runs again. */
  let missing: readonly string[] | null = null;
  const back = () => {
    missing = null;
    settled();
  };

  made.on('result', (result) => {
    if (!isCurrent()) return;
    const sample = { at: performance.now(), ms: result.timing.totalMs, route: result.route, budgetMs: get().budgetMs };
    change({ result, route: made.route, samples: withSample(get().samples, sample) });
  });
  made.on('switch', (decision) => {
    const { from, to, reason, signals } = decision;
    change({
      route: made.route,
      ...(signals === undefined ? {} : { signals }),
      log: withEntry(get().log, { at: performance.now(), from, to, reason, text: explainDecision(decision) }),
    });
    if (from !== to) switched();
  });
  made.on('snapshot', (snapshot) => change({ snapshot, signals: snapshot.signals, route: made.route }));
  made.on('profile', renew);
  made.on('routes', () => {
    renew();
    const here = available();
    // What had not arrived before the loss is tried again, too.
    if (missing?.every((id) => here.includes(id)) && isWhole(made)) back();
  });
  made.on('progress', (progress) => isCurrent() && change({ progress }));
  made.on('lost', ({ reason, message }) => {
    // A load that was still under way goes on, and says itself when it ends.
    if (isCurrent() && get().complete) {
      missing = available();
      change({ complete: false });
    }
    change({ notice: `The engine went away (${reason}${message === '' ? '' : `: ${message}`}); it is being started again.` });
  });
  made.on('healed', ({ ms, from, executor }) => {
    renew();
    const elsewhere = from === executor ? '' : `, now on ${executor}`;
    change({ notice: `The engine works again after ${(ms / 1000).toFixed(1)} s${elsewhere}.` });
  });
  made.on('error', (error: StitchError) => {
    if (missing !== null && error.detail['partial'] === true) back();
    // A frame that comes while the last one is being answered is normal, and not worth a word.
    if (error.code === 'busy' || error.code === 'aborted') return;
    // So is a video that has no picture for a moment, at the seam of its loop or on a busy device.
    if (error.code === 'frame-invalid' && get().showing === 'video') return;
    if (isPassing(error)) change({ notice: error.message });
    else fail(error);
  });
}

export function describe(runtime: Runtime): Loaded {
  const { device, bundle, inputSize, labels, anchors, routes, ladder, profile, tiers } = runtime;
  return { device, bundle, inputSize, classes: labels.length, anchors, routes, ladder, profile, tiers };
}
