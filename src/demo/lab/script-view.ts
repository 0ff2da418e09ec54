/** Controls of budget scripts and recordings. */
import type { State } from '../state';
import { byId, make, setAttribute, setHidden, setText, whenChanged } from '../ui/dom';
import { clock } from '../ui/words';
import type { ScriptShape } from './script';

export interface ScriptActions {
  sweep(shape: ScriptShape | null): void;
  record(on: boolean): void;
  playLast(): void;
  open(file: File): void;
}

export function createScriptView(actions: ScriptActions): (state: State) => void {
  const shape = byId('sweep-shape', HTMLSelectElement);
  const sweep = byId('sweep', HTMLButtonElement);
  const sweepText = byId('sweep-text', HTMLParagraphElement);
  const record = byId('record', HTMLButtonElement);
  const recordText = byId('record-text', HTMLParagraphElement);
  const download = byId('record-download', HTMLAnchorElement);
  const playLast = byId('record-play', HTMLButtonElement);
  const open = byId('trace-open', HTMLButtonElement);
  const input = byId('trace-file', HTMLInputElement);
  const traceOption = make('option', '', 'as in the trace played back');
  traceOption.value = 'trace';
  let state: State | null = null;

  sweep.addEventListener('click', () => actions.sweep(state?.sweep.kind === 'on' ? null : (shape.value as ScriptShape)));
  shape.addEventListener('change', () => state?.sweep.kind === 'on' && actions.sweep(shape.value as ScriptShape));
  record.addEventListener('click', () => actions.record(state?.recording.kind !== 'on'));
  playLast.addEventListener('click', actions.playLast);
  open.addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    const file = input.files?.[0];
    if (file !== undefined) actions.open(file);
    // The same file may be opened again.
    input.value = '';
  });

  const offerTrace = whenChanged(() => {
    const { playback } = state ?? {};
    const has = playback?.kind === 'shown' && playback.playback.script !== undefined;
    if (has) shape.append(traceOption);
    else traceOption.remove();
  });

  return (next) => {
    state = next;
    const ready = next.phase === 'ready';
    const sweeping = next.sweep.kind === 'on';
    sweep.disabled = shape.disabled = !ready;
    setAttribute(sweep, 'aria-checked', String(sweeping));
    setText(sweepText, next.sweep.kind === 'on' ? 'The slider moves by itself. Touch it to take over.' : next.sweep.why);
    offerTrace(next.playback);

    const { recording } = next;
    record.disabled = !ready;
    setAttribute(record, 'aria-checked', String(recording.kind === 'on'));
    const done = recording.kind === 'done';
    setHidden(download, !done);
    setHidden(playLast, !done);
    if (done && download.download !== recording.name) {
      download.href = recording.url;
      download.download = recording.name;
    }
    setText(recordText, recordingText(next));
  };
}

/** The minute counts up for the eye only: the line is no live region. */
function recordingText({ recording }: State): string {
  switch (recording.kind) {
    case 'none':
      return 'A trace holds what the controller was told and what it decided: times, routes, battery. No pictures, no labels.';
    case 'on':
      return `Recording since ${clock(recording.since)}.`;
    case 'done':
      return `${recording.name}: ${recording.text.split('\n').filter((line) => line !== '').length} lines.`;
    case 'failed':
      return `It could not be recorded: ${recording.why}`;
  }
}
