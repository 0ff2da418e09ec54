/** The live demo: one state, one render, wired to the public API and nothing else. */
import type { Burner } from './load/burner';
import { changeVersion } from './offline';
import { readParams } from './params';
import { createPicture } from './picture';
import { createSession } from './session';
import { createShell } from './shell/shell';
import { initialState } from './state';
import type { State } from './state';
import { createArrivals } from './ui/arrivals';
import { createChart } from './ui/chart';
import { createControls } from './ui/controls';
import { copyText } from './ui/copy';
import { byId, keepingFocus, whenChanged } from './ui/dom';
import { createLadderPicture } from './ui/ladder';
import { createLog } from './ui/log';
import { createStageView } from './ui/stage';
import { createStatusView } from './ui/status';

await changeVersion();

const kept = createShell();
const base = document.baseURI;
const params = readParams(location.search, base);
const calmly = matchMedia('(prefers-reduced-motion: reduce)').matches;

let state: State = {
  ...initialState,
  budgetMs: params.budgetMs ?? initialState.budgetMs,
  // Who asked for less motion gets a still photo, and starts the rest by hand.
  playing: !calmly,
};
let queued = false;

function get(): State {
  return state;
}

function change(patch: Partial<State>): void {
  state = { ...state, ...patch };
  if (queued) return;
  queued = true;
  requestAnimationFrame(() => {
    queued = false;
    render();
  });
}

const picture = createPicture({
  video: byId('video', HTMLVideoElement),
  still: byId('still', HTMLCanvasElement),
  base,
  get,
  change,
  changed: () => session.look(),
});
const session = createSession({
  backend: params.backend,
  bundle: params.bundle,
  budgetMs: params.budgetMs,
  guardPage: params.guardPage,
  get,
  change,
  picture: () => picture.element(),
});

/** Few visitors slow their device down; the first who does fetches the load. */
let burner: Burner | undefined;
let burning = false;

const views = {
  stage: createStageView({
    choose: (kind) => void picture.choose(kind),
    choosePhoto: (index) => void picture.choosePhoto(index),
    play: (playing) => picture.setPlaying(playing),
  }),
  controls: createControls({
    budget: (latencyMs) => {
      if (state.sweep.kind === 'on') change({ sweep: { kind: 'off', why: 'You have the slider again.' } });
      session.setBudget({ latencyMs, energy: state.energy });
      // The thumb is under a finger: the figures follow it in the same frame.
      render();
    },
    energy: (energy) => session.setBudget({ latencyMs: state.budgetMs, energy }),
    mode: (mode) => session.setMode(mode),
    load: (on) => void burn(on),
    strength: (strength) => {
      change({ strength });
      if (state.load.kind === 'on' || state.load.kind === 'starting') void burn(true);
    },
  }),
  status: createStatusView(params),
  ladder: createLadderPicture(),
  chart: createChart(),
  log: createLog(),
  arrivals: createArrivals((anchor) => void session.loadMore(anchor)),
};

/** Weights arrive until the load is complete. */
const countKept = whenChanged(() => void kept.refresh());

/** The workbench comes as a chunk of its own; the classifier runs without it. */
let lab: (state: State) => void = () => {};

/** Buttons that go when they have been pressed, and the slider, which stays. */
const places = ['cancel', 'retry', 'more-load', 'budget'].map((id) => byId(id, HTMLElement));

function render(): void {
  keepingFocus(places, renderViews);
  lab(state);
  countKept(state.phase, state.complete);
  // A network that has stopped cannot be slowed down; the load must not go on unseen.
  if (state.phase === 'error' && burning) void burn(false);
}

function renderViews(): void {
  const { loaded, route } = state;
  views.status.render(state);
  views.stage.render(state);
  views.controls.render(state);
  views.ladder.render(
    loaded?.anchors ?? [],
    loaded?.routes.find((one) => one.id === route),
  );
  views.chart.render(state);
  views.log.render(state.log);
  views.arrivals(state);
}

async function burn(on: boolean): Promise<void> {
  burning = on;
  if (!on) return burner?.stop();
  try {
    const { createBurner } = await import('./load/burner');
    burner ??= createBurner((load) => change({ load }));
  } catch {
    return change({ load: { kind: 'failed', why: 'its part of this page could not be fetched' } });
  }
  // It may have been switched off while it was fetched.
  if (burning) burner.start(state.loaded?.device.executor ?? 'cpu', state.strength);
}

byId('cancel', HTMLButtonElement).addEventListener('click', () => session.cancel());
byId('retry', HTMLButtonElement).addEventListener('click', () => void session.load());
const diagnostics = byId('diagnostics', HTMLButtonElement);
diagnostics.addEventListener('click', () => void copyDiagnostics(diagnostics));
// A load left on in a tab that nobody sees would only eat the battery.
document.addEventListener('visibilitychange', () => document.hidden && burning && void burn(false));
wireFiles();
const link = byId('without-gpu', HTMLAnchorElement);
const query = new URLSearchParams(location.search);
query.set('backend', 'wasm');
link.search = query.toString();

// Opening a source clears what was said before; a mistake in the address is said beside what the source has to say.
void picture.choose(firstSource()).then(() => change({ notice: [params.complaint, state.notice].filter(Boolean).join(' ') }));
void session.load();
render();
import('./lab/lab').then(
  ({ createLab }) => {
    lab = createLab({ get, change, session });
    render();
  },
  () =>
    change({
      notice: 'A part of this page could not be fetched, so measuring, scripts and traces are missing. Reload to try again.',
    }),
);

function firstSource(): 'clip' | 'photos' | 'camera' {
  if (params.source !== null && params.source !== 'file') return params.source;
  return calmly ? 'photos' : 'clip';
}

/** A file may come from the picker, be dropped anywhere, or be pasted. */
function wireFiles(): void {
  const input = byId('file', HTMLInputElement);
  const stage = byId('stage', HTMLDivElement);
  const take = (files: FileList | null | undefined) => {
    const file = files?.[0];
    if (file !== undefined) void picture.chooseFile(file);
    return file !== undefined;
  };
  document.querySelector('[data-source="file"]')?.addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    take(input.files);
    // The same file may be chosen again.
    input.value = '';
  });
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    stage.classList.add('dropping');
  });
  document.addEventListener('dragleave', (event) => event.relatedTarget === null && stage.classList.remove('dropping'));
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    stage.classList.remove('dropping');
    if (!take(event.dataTransfer?.files)) change({ notice: 'Only an image or a video file can be dropped here.' });
  });
  document.addEventListener('paste', (event) => {
    if (take(event.clipboardData?.files)) event.preventDefault();
    else change({ notice: 'The clipboard holds no image or video.' });
  });
}

async function copyDiagnostics(button: HTMLButtonElement): Promise<void> {
  const text = session.diagnostics().then((all) => JSON.stringify(all, null, 2));
  if (!(await copyText(button, text))) change({ notice: 'The browser did not allow copying.' });
}
