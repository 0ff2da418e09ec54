/** What came out: the known answers by route and executor, and the photos' answers side by side. */
import type { ExecutorKind, Prediction } from '../../index';
import type { Unavailable } from '../executors';
import type { Photo } from '../state';
import { byId, make, setHidden, setText } from '../ui/dom';
import { factList, patch, scrollingTable } from '../ui/table';
import { markThumb, showThumbs } from '../ui/thumbs';
import { EXECUTOR_NAMES, adapterText, shortLabel, shortName } from '../ui/words';
import type { CheckedExecutor, ParityResult } from './check';
import { differenceOf, worstOf } from './compare';

export function createParityView(): (result: ParityResult, photos: readonly Photo[]) => void {
  const box = byId('results', HTMLElement);
  const actions = byId('result-actions', HTMLElement);
  return (result, photos) => {
    box.replaceChildren(
      knownAnswers(result),
      ...(photos.length === 0 || result.executors.length === 0 ? [] : [photoAnswers(result, photos)]),
      executorFacts(result),
    );
    setHidden(box, false);
    setHidden(actions, false);
  };
}

function knownAnswers({ executors, unavailable }: ParityResult): HTMLElement {
  const ids = [...new Set(executors.flatMap(({ check }) => check.routes.map(({ route }) => route)))];
  const errorOf = ({ check }: CheckedExecutor, id: string) => check.routes.find(({ route }) => route === id)?.maxAbsError;
  const rows = ids.map((id) => {
    const errors = executors.map((one) => errorOf(one, id));
    const within = executors.every((one) => (errorOf(one, id) ?? Infinity) <= one.check.tolerance);
    return {
      head: id,
      cells: [...errors.map((error) => (error === undefined ? '–' : small(error))), within ? 'pass' : 'fail'],
    };
  });
  const tolerance = executors[0]?.check.tolerance ?? NaN;
  const wrong = unavailable.filter((one) => one.wrong);
  const passed = wrong.length === 0 && executors.length > 0 && executors.every(({ check }) => check.passed);
  const words = passed
    ? `All ${ids.length} routes answer as expected on ${listed(executors.map(({ executor }) => executor))}.`
    : executors.length === 0
      ? 'No executor could be checked here.'
      : `Not everything answers as expected: ${listed([...executors.filter(({ check }) => !check.passed), ...wrong].map(({ executor }) => executor))}.`;
  const names = executors.map(({ executor }) => shortName(executor));
  return patch(
    'known',
    'Known answers',
    make('p', 'verdict', words),
    make(
      'p',
      'caption',
      `The bundle carries a few images with the numbers that PyTorch computed for them (logits). Shown is how far the worst of them is off; ${small(tolerance)} is allowed.`,
    ),
    ...(executors.length === 0
      ? []
      : [scrollingTable('Known answers by route and executor', ['route', ...names, `within ${small(tolerance)}`], rows)]),
  );
}

function photoAnswers({ executors, route }: ParityResult, photos: readonly Photo[]): HTMLElement {
  const differences = photos.map((_, i) =>
    worstOf(
      executors.flatMap(({ answers }, n) =>
        executors.slice(n + 1).map((other) => differenceOf(answers[i] ?? [], other.answers[i] ?? [])),
      ),
    ),
  );
  const worst = worstOf(differences);
  const same = differences.filter(({ sameFirst }) => sameFirst).length;
  const alone = executors.length < 2;
  const words = alone
    ? 'Only one executor works here, so there is nothing to compare it with.'
    : `The same first answer for ${same} of ${photos.length} photos; no probability differs by more than ${small(worst.largest)}.`;

  const thumbs = make('div', 'thumbs');
  thumbs.setAttribute('role', 'group');
  thumbs.setAttribute('aria-label', 'Sample photos');
  const side = make('div', 'side-by-side');
  side.dataset['testid'] = 'side-by-side';
  const about = make('p', 'caption');
  about.setAttribute('role', 'status');
  const choose = (index: number) => {
    const one = differences[index];
    const difference =
      one === undefined || alone
        ? ''
        : ` Largest difference ${small(one.largest)}; the first answers ${one.sameFirst ? 'agree' : 'differ'}.`;
    setText(about, `${photos[index]?.title ?? ''}, through ${route}.${difference}`);
    side.replaceChildren(...executors.map(({ executor, answers }) => answerColumn(executor, answers[index] ?? [])));
    markThumb(thumbs, index);
  };
  showThumbs(thumbs, photos, choose);
  choose(0);

  const rows = photos.map(({ title }, i) => ({
    head: title,
    cells: [
      ...executors.map(({ answers }) => shortLabel(answers[i]?.[0]?.label ?? '–')),
      ...(alone ? [] : [small(differences[i]?.largest ?? NaN), differences[i]?.sameFirst === true ? 'yes' : 'no']),
    ],
  }));
  const columns = ['photo', ...executors.map(({ executor }) => shortName(executor)), ...(alone ? [] : ['difference', 'agree'])];
  return patch(
    'photos',
    'The same photo through each',
    make('p', 'verdict', words),
    thumbs,
    about,
    side,
    make('h3', '', 'All photos'),
    make('p', 'caption', 'An executor tells its five most likely labels; differences are taken over those.'),
    scrollingTable('First answers by photo and executor', columns, rows),
  );
}

function answerColumn(executor: ExecutorKind, top: readonly Prediction[]): HTMLElement {
  const list = make(
    'ol',
    '',
    ...top.map(({ label, probability }) =>
      make('li', '', make('span', '', shortLabel(label)), make('span', '', `${(probability * 100).toFixed(3)} %`)),
    ),
  );
  return make('div', '', make('h3', '', EXECUTOR_NAMES[executor]), list);
}

function executorFacts({ executors, unavailable }: ParityResult): HTMLElement {
  return patch(
    'executors',
    'What ran',
    factList([
      ...executors.map(({ executor, adapter }): readonly [string, string] => [
        EXECUTOR_NAMES[executor],
        executor === 'webgpu' && adapter !== undefined ? adapterText(adapter) : 'works here',
      ]),
      ...unavailable.map((one): readonly [string, string] => [EXECUTOR_NAMES[one.executor], whyNot(one)]),
    ]),
  );
}

const whyNot = ({ wrong, why }: Unavailable) => `${wrong ? 'fails its known answers' : 'not available here'}: ${why}`;

/** "WebGPU, WebAssembly on the CPU and JavaScript on the CPU". */
function listed(kinds: readonly ExecutorKind[]): string {
  const names = kinds.map((kind) => EXECUTOR_NAMES[kind]);
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

/** Two digits that mean something, however small: 0.0012, 3.4 × 10⁻⁶. */
function small(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value === 0 || value >= 1e-4) return String(Number(value.toPrecision(2)));
  const [mantissa = '', exponent = ''] = value.toExponential(1).split('e-');
  return `${mantissa} × 10⁻${exponent.replaceAll(/\d/g, (digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)] ?? '')}`;
}
