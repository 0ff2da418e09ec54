/** The parity page: the visitor sees that every executor gives the right answers, and all of them the same. */
import type { ExecutorKind } from '../../index';
import { EXECUTORS } from '../executors';
import { changeVersion } from '../offline';
import { type Params, readParams } from '../params';
import { createShell } from '../shell/shell';
import { createTask } from '../shell/task';
import { fetchPhotos, openPhoto } from '../sources';
import { byId } from '../ui/dom';
import { EXECUTOR_NAMES, progressText } from '../ui/words';
import { type RouteWish, checkParity } from './check';
import { createParityView } from './results';

/** The plain one: everything is compared with it, whatever was asked for. */
const REFERENCE: ExecutorKind = 'cpu';

await changeVersion();

const base = document.baseURI;
const params = readParams(location.search, base);
const which = byId('which', HTMLSelectElement);
const showResults = createParityView();
const task = createTask({ verb: 'Check', file: 'running-stitch-parity', kept: createShell(), work });

task.say(params.complaint);
task.allow(true);
byId('choices', HTMLFieldSetElement).disabled = false;
document.documentElement.dataset['state'] = 'idle';

function executorsFor({ backend }: Params): readonly ExecutorKind[] {
  return EXECUTORS.filter((kind) => backend === 'auto' || kind === backend || kind === REFERENCE);
}

async function work(signal: AbortSignal) {
  const executors = executorsFor(params);
  const photos = await fetchPhotos(base);
  const result = await checkParity({
    executors,
    wish: which.value as RouteWish,
    bundle: params.bundle,
    photos: await Promise.all(photos.map(async (photo) => ({ photo, picture: await openPhoto(photo, base) }))),
    signal,
    onStep(index, executor, step) {
      const words = step.kind === 'loading' ? progressText(step.progress) : `photo ${step.photo + 1} of ${photos.length}`;
      const share = (index + (step.kind === 'asking' ? step.share : 0)) / executors.length;
      task.step(share, `${EXECUTOR_NAMES[executor]} (${index + 1} of ${executors.length}): ${words}`);
    },
  });
  showResults(result, photos);
  return { said: result.executors.length === 0 ? 'Nothing could be checked here.' : 'Checked.', result };
}
