/** What was measured: executors against each other, then each with its routes. */
import { macsWords } from '../lab/routes';
import { byId, make, setHidden } from '../ui/dom';
import { factList, patch, scrollingTable } from '../ui/table';
import { EXECUTOR_NAMES, adapterText, ms, percent, shortName, sizeText } from '../ui/words';
import type { BenchResult, MeasuredExecutor, MeasuredRoute } from './measure';

export function createResultsView(): (result: BenchResult) => void {
  const box = byId('results', HTMLElement);
  const actions = byId('result-actions', HTMLElement);
  return (result) => {
    const { executors, unavailable } = result;
    box.replaceChildren(
      ...(result.wasHidden ? [make('p', 'notice', 'The page was out of sight for a while; browsers may slow it then.')] : []),
      ...(executors.length > 1 ? [comparison(executors)] : []),
      ...executors.map(executorPatch),
      ...unavailable.map(({ executor, why }) =>
        patch(`result-${executor}`, EXECUTOR_NAMES[executor], make('p', '', `Not available here: ${why}`)),
      ),
    );
    setHidden(box, false);
    setHidden(actions, false);
  };
}

/** One row a route, one column an executor, and how many times the fastest is faster than the slowest. */
function comparison(executors: readonly MeasuredExecutor[]): HTMLElement {
  // Which routes are worth using depends on the executor.
  const rows = (executors[0]?.routes ?? []).flatMap(({ route, macs }) => {
    const medians = executors.map((one) => one.routes.find((own) => own.route === route)?.medianMs ?? NaN);
    if (medians.some(Number.isNaN)) return [];
    const factor = `× ${(Math.max(...medians) / Math.min(...medians)).toFixed(1)}`;
    return [{ head: route, cells: [macsWords(macs), ...medians.map(fine), factor] }];
  });
  const names = executors.map(({ executor }) => shortName(executor));
  return patch(
    'comparison',
    'Executors compared',
    make(
      'p',
      'caption',
      'Median time of a frame, in milliseconds, on routes that ran on all of them; the last column is the slowest over the fastest.',
    ),
    scrollingTable('Median times by route and executor', ['route', 'MACs', ...names, 'factor'], rows),
  );
}

function executorPatch(measured: MeasuredExecutor): HTMLElement {
  const { executor, reason, adapter, routes, routesOfBundle, bytesTotal, bytesFromCache, profileError } = measured;
  const kept = bytesFromCache > 0 ? `, ${sizeText(bytesFromCache)} of it from this device` : '';
  const facts: (readonly [string, string])[] = [
    ['first routes runnable after', ms(measured.firstRoutesMs)],
    ['first answer after', ms(measured.firstAnswerMs)],
    ['everything loaded after', `${ms(measured.loadedMs)} (${sizeText(bytesTotal)}${kept})`],
    ['GPU adapter', adapter === undefined ? 'none' : adapterText(adapter)],
    ['routes measured', `${routes.length} of ${routesOfBundle}`],
    ['a prediction is off by (median)', profileError < 0 ? 'not known' : percent(profileError, 1)],
  ];
  const columns = ['route', 'median', 'p95', 'predicted', 'error', 'switch', 'right', 'MACs', 'frames'];
  return patch(
    `result-${executor}`,
    EXECUTOR_NAMES[executor],
    make('p', 'caption', reason),
    factList(facts),
    make(
      'p',
      'caption',
      'Times in milliseconds. “Predicted” was said by the device’s profile before the measurement; “switch” is what the first frame after a change of route takes more than the others. Routes worth using are bold.',
    ),
    scrollingTable(`Routes on ${EXECUTOR_NAMES[executor]}`, columns, routes.map(routeRow)),
  );
}

function routeRow(one: MeasuredRoute) {
  const { route, medianMs, p95Ms, predictedMs, switchMs, top1, macs, steadyMs, switchedMs, onLadder } = one;
  return {
    head: route,
    className: onLadder ? 'on-ladder' : '',
    cells: [
      fine(medianMs),
      fine(p95Ms),
      fine(predictedMs),
      signed((predictedMs / medianMs - 1) * 100, 0, ' %'),
      switchMs === null ? '–' : signed(switchMs, medianMs < 10 ? 2 : medianMs < 100 ? 1 : 0, ''),
      top1 === undefined ? '–' : percent(top1, 1),
      macsWords(macs),
      String(steadyMs.length + switchedMs.length),
    ],
  };
}

/** Milliseconds without the unit: two digits behind the point where that means something. */
function fine(value: number): string {
  if (!Number.isFinite(value)) return '–';
  return value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0);
}

function signed(value: number, digits: number, unit: string): string {
  if (!Number.isFinite(value)) return '–';
  const text = Math.abs(value).toFixed(digits);
  return `${Number(text) === 0 ? '±' : value < 0 ? '−' : '+'}${text}${unit}`;
}
