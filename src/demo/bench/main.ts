/** The bench page: the visitor measures the routes of a bundle on their own device. */
import { checkSupport } from '../../index';
import type { ExecutorKind, SupportReport } from '../../index';
import { EXECUTORS, chosenExecutors } from '../executors';
import { changeVersion } from '../offline';
import { readParams } from '../params';
import { createShell } from '../shell/shell';
import { createTask } from '../shell/task';
import { fetchPhotos, openPhoto } from '../sources';
import { byId, setText } from '../ui/dom';
import { EXECUTOR_NAMES, leftText, progressText } from '../ui/words';
import { type Step, bench } from './measure';
import { createResultsView } from './results';
import type { Effort } from './rounds';

const QUICK: Effort = { rounds: 3, framesPerVisit: 3 };
/** By the values of the list in bench.html. */
const EFFORTS: Readonly<Record<string, Effort>> = { quick: QUICK, thorough: { rounds: 10, framesPerVisit: 5 } };

await changeVersion();

const base = document.baseURI;
const params = readParams(location.search, base);
const choices = byId('choices', HTMLFieldSetElement);
const effort = byId('effort', HTMLSelectElement);
const which = byId('which', HTMLSelectElement);
const boxes = new Map(EXECUTORS.map((kind) => [kind, byId(`executor-${kind}`, HTMLInputElement)]));
const showResults = createResultsView();
const task = createTask({ verb: 'Measure', file: 'running-stitch-bench', kept: createShell(), work });

for (const option of effort.options) {
  const { rounds, framesPerVisit } = EFFORTS[option.value] ?? QUICK;
  option.text = `${option.value}: ${rounds} rounds of ${framesPerVisit + 1} frames`;
}
const allow = () => task.allow([...boxes.values()].some((box) => box.checked));
for (const box of boxes.values()) box.addEventListener('change', allow);
task.say(params.complaint);
await choose();

/** Ticks what the address asks for, or else what this browser runs at a pace worth measuring. */
async function choose(): Promise<void> {
  const support = await checkSupport();
  const asked = params.backend === 'auto' ? usual(support) : chosenExecutors(params.backend);
  for (const [kind, box] of boxes) box.checked = asked.includes(kind);
  const note = byId('webgpu-note', HTMLElement);
  if (!support.webgpu) setText(note, ' (no adapter here)');
  else if (support.softwareAdapter) setText(note, ' (a software adapter here, slow)');
  choices.disabled = false;
  allow();
  document.documentElement.dataset['state'] = 'idle';
}

function usual({ webgpu, softwareAdapter }: SupportReport): readonly ExecutorKind[] {
  return webgpu && !softwareAdapter ? ['webgpu', 'wasm'] : ['wasm'];
}

async function work(signal: AbortSignal) {
  const executors = EXECUTORS.filter((kind) => boxes.get(kind)?.checked === true);
  const [photo] = await fetchPhotos(base);
  const result = await bench({
    executors,
    onlyLadder: which.value === 'ladder',
    effort: EFFORTS[effort.value] ?? QUICK,
    bundle: params.bundle,
    // One photo for all frames: what a route takes does not depend on what is seen.
    frame: await openPhoto(photo, base),
    signal,
    onStep(index, executor, step) {
      const of = executors.length === 1 ? '' : ` (${index + 1} of ${executors.length})`;
      const next = executors[index + 1];
      const then = next === undefined ? '' : `; then ${EXECUTOR_NAMES[next]}`;
      const share = (index + (step.kind === 'measuring' ? step.share : 0)) / executors.length;
      task.step(share, `${EXECUTOR_NAMES[executor]}${of}: ${stepText(step)}${then}`);
    },
  });
  showResults(result);
  const measured = result.executors.reduce((sum, { routes }) => sum + routes.length, 0);
  return { said: measured === 0 ? 'Nothing could be measured here.' : 'Measured.', result };
}

function stepText(step: Step): string {
  if (step.kind === 'loading') return progressText(step.progress);
  if (step.kind === 'calibrating') return 'measuring a few routes, to predict all of them…';
  return `measuring ${step.route}, ${Number.isFinite(step.leftMs) ? leftText(step.leftMs) : 'pace not known yet'}`;
}
