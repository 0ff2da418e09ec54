/** The picture, what the network sees of it, and what it says. */
import type { SourceKind, State } from '../state';
import { byId, calm, make, setAttribute, setHidden, setText, whenChanged } from './dom';
import { markThumb, showThumbs } from './thumbs';
import { percent, shortLabel } from './words';

export interface StageActions {
  choose(kind: Exclude<SourceKind, 'file'>): void;
  choosePhoto(index: number): void;
  play(playing: boolean): void;
}

interface StageView {
  render(state: State): void;
}

/** Labels may change with every frame; nobody can read that. */
const LABELS_MS = 200;
const PREVIEW_MS = 100;
/** A screen reader is told the label of a still picture once it has settled, and at most this often. */
const SETTLE_MS = 500;
const LIVE_STILL_MS = 2000;
/** The same while a video plays, whose label nobody could listen to each time. */
const LIVE_MOVING_MS = 10_000;
const ROWS = 5;

export function createStageView(actions: StageActions): StageView {
  const video = byId('video', HTMLVideoElement);
  const still = byId('still', HTMLCanvasElement);
  const empty = byId('stage-empty', HTMLParagraphElement);
  const play = byId('play', HTMLButtonElement);
  const title = byId('source-title', HTMLParagraphElement);
  const photos = byId('photos', HTMLDivElement);
  const notice = byId('notice', HTMLParagraphElement);
  const buttons = [...document.querySelectorAll<HTMLButtonElement>('[data-source]')];
  let current: State | null = null;

  for (const button of buttons) {
    const kind = button.dataset['source'];
    if (kind === 'clip' || kind === 'photos' || kind === 'camera') button.addEventListener('click', () => actions.choose(kind));
  }
  play.addEventListener('click', () => actions.play(current?.playing !== true));

  const renderPhotos = whenChanged(() => showThumbs(photos, current?.photos ?? [], actions.choosePhoto));

  const answer = createAnswer();
  const preview = createPreview(video, still);

  return {
    render(state) {
      current = state;
      const { showing, source } = state;
      setHidden(video, showing !== 'video');
      setHidden(still, showing !== 'still');
      setHidden(empty, showing !== null);
      play.disabled = showing === null;
      setHidden(play, showing === null);
      setText(play, state.playing ? 'Pause' : 'Play');
      for (const button of buttons) setAttribute(button, 'aria-pressed', String(button.dataset['source'] === source));
      setText(title, state.sourceTitle);
      // Never hidden: a live region that appears together with its text may stay unspoken.
      setText(notice, state.notice);
      renderPhotos(state.photos);
      setHidden(photos, source !== 'photos');
      markThumb(photos, state.photo);
      answer(state);
      preview(state);
    },
  };
}

function createAnswer(): (state: State) => void {
  const top = byId('top-label', HTMLParagraphElement);
  const list = byId('labels', HTMLOListElement);
  const say = createSpeaker(byId('live', HTMLParagraphElement));
  const rows = Array.from({ length: ROWS }, () => {
    const name = make('span', 'name');
    const bar = make('span', 'bar');
    const share = make('span', 'share');
    list.append(make('li', '', name, share, bar));
    return { name, bar, share };
  });

  const write = calm(LABELS_MS, ({ result }: State) => {
    const first = result?.top[0];
    setText(top, first === undefined ? '…' : shortLabel(first.label));
    rows.forEach(({ name, bar, share }, i) => {
      const one = result?.top[i];
      setText(name, one === undefined ? '' : shortLabel(one.label));
      name.title = one?.label ?? '';
      setText(share, one === undefined ? '' : percent(one.probability));
      bar.style.width = percent(one?.probability ?? 0, 1).replace(' ', '');
    });
  });
  return (state) => {
    write(state);
    const label = state.result?.top[0]?.label;
    if (label !== undefined) say(shortLabel(label), state.playing && state.showing === 'video');
  };
}

/** Speaks the newest label: soon for a still picture, seldom for a moving one, and never the same twice in a row. */
function createSpeaker(live: HTMLElement): (label: string, moving: boolean) => void {
  let newest = '';
  let isMoving = false;
  let spokenAt = -Infinity;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const speak = () => {
    if (live.textContent === newest) return;
    spokenAt = performance.now();
    setText(live, newest);
  };
  const plan = whenChanged(() => {
    const due = spokenAt + (isMoving ? LIVE_MOVING_MS : LIVE_STILL_MS) - performance.now();
    clearTimeout(timer);
    timer = setTimeout(speak, Math.max(due, isMoving ? 0 : SETTLE_MS));
  });
  return (label, moving) => {
    newest = label;
    isMoving = moving;
    plan(label, moving);
  };
}

/** The whole central square at the network's own size, enlarged by CSS with its pixels visible. A bundle may crop closer. */
function createPreview(video: HTMLVideoElement, still: HTMLCanvasElement): (state: State) => void {
  const canvas = byId('sees', HTMLCanvasElement);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const draw = calm(PREVIEW_MS, ({ showing, loaded }: State) => {
    const size = loaded?.inputSize ?? 64;
    if (canvas.width !== size) canvas.width = canvas.height = size;
    if (context === null || showing === null) return;
    const picture = showing === 'video' ? video : still;
    const width = showing === 'video' ? video.videoWidth : still.width;
    const height = showing === 'video' ? video.videoHeight : still.height;
    const edge = Math.min(width, height);
    if (edge === 0) return;
    context.imageSmoothingQuality = 'high';
    context.drawImage(picture, (width - edge) / 2, (height - edge) / 2, edge, edge, 0, 0, size, size);
  });
  return draw;
}
