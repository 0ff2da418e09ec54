/** A task of a page: started, followed, cancelled, and its result copied or downloaded. The elements are in task.html and result.html. */
import { describeTrouble } from '../troubles';
import { copyText } from '../ui/copy';
import { byId, setHidden, setText } from '../ui/dom';
import type { Kept } from './kept';
import { createTroublePanel } from './trouble';

export interface TaskOptions {
  /** What the button to start says. */
  readonly verb: string;
  /** Start of the name of the file to download. */
  readonly file: string;
  readonly kept: Kept;
  /** Does it; the result is shown by then, and is what can be taken along. */
  readonly work: (signal: AbortSignal) => Promise<{ readonly said: string; readonly result: unknown }>;
}

export interface Task {
  /** 0…1, and what goes on. */
  step(share: number, words: string): void;
  /** Whether it may be started. */
  allow(allowed: boolean): void;
  /** A word beside it; empty takes it back. */
  say(notice: string): void;
}

/** The page's `data-state` says where the task is: idle, running, done or error. The choices cannot be changed while it runs. */
export function createTask({ verb, file, kept, work }: TaskOptions): Task {
  const start = byId('start', HTMLButtonElement);
  const cancel = byId('cancel', HTMLButtonElement);
  const choices = byId('choices', HTMLFieldSetElement);
  const bar = byId('progress', HTMLProgressElement);
  const step = byId('step', HTMLParagraphElement);
  const live = byId('live', HTMLParagraphElement);
  const notice = byId('notice', HTMLParagraphElement);
  const copy = byId('copy', HTMLButtonElement);
  const download = byId('download', HTMLAnchorElement);
  const showTrouble = createTroublePanel();
  let running: AbortController | null = null;
  let text = '';

  const show = (state: 'running' | 'done' | 'idle' | 'error', words: string) => {
    const isRunning = state === 'running';
    const hadFocus = [start, cancel].some((button) => button === document.activeElement);
    document.documentElement.dataset['state'] = state;
    choices.disabled = isRunning;
    setHidden(start, isRunning);
    setHidden(cancel, !isRunning);
    setHidden(bar, !isRunning);
    bar.removeAttribute('value');
    setText(step, words);
    // Steps are only shown; start and end are said, too.
    setText(live, words);
    if (hadFocus) (isRunning ? cancel : start).focus();
  };

  const run = async () => {
    const mine = new AbortController();
    running = mine;
    showTrouble(null);
    setText(notice, '');
    show('running', 'Starting…');
    try {
      const { said, result } = await work(mine.signal);
      offer(result);
      show('done', said);
    } catch (error) {
      const trouble = describeTrouble(error);
      if (trouble.code === 'aborted') show('idle', 'Cancelled.');
      else {
        showTrouble(trouble);
        show('error', '');
      }
    } finally {
      running = null;
      void kept.refresh();
    }
  };

  const offer = (result: unknown) => {
    text = json(result);
    URL.revokeObjectURL(download.href);
    download.href = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
    download.download = `${file}-${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}.json`;
  };
  const take = async () => {
    if (!(await copyText(copy, text))) setText(notice, 'The browser did not allow copying; the download holds the same.');
  };

  setText(start, verb);
  start.addEventListener('click', () => void run());
  cancel.addEventListener('click', () => running?.abort());
  copy.addEventListener('click', () => void take());
  return {
    step(share, words) {
      bar.value = share;
      setText(step, words);
    },
    allow(allowed) {
      start.disabled = !allowed;
    },
    say: (words) => setText(notice, words),
  };
}

/** Numbers with as many digits as mean something here. */
function json(result: unknown): string {
  const short = (value: number) => (Number.isInteger(value) ? value : Number(value.toPrecision(6)));
  return JSON.stringify(result, (_, value: unknown) => (typeof value === 'number' ? short(value) : value), 2);
}
