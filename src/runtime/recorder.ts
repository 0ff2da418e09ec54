/** Records what the controller is told and decides, as JSON lines that replay bit for bit (control/replay.ts). */
import { resumeController } from '../control/controller';
import type { Controller } from '../control/controller';
import { headerOf } from '../control/replay';
import type { ControlEvent, Decision } from '../control/types';
import type { Recording } from './api';

export interface Recorder {
  start(controller: Controller): Recording;
  /** To be told of every event, with the decision that it led to. */
  note(event: ControlEvent, decision: Decision | undefined): void;
}

export function createRecorder(): Recorder {
  const running = new Set<string[]>();
  return {
    start({ state }) {
      const { rungs, budget, signals, mode, now } = state;
      const header = headerOf({ rungs, budget, signals, mode, now }, state);
      const lines = [header, { type: 'decision', decision: resumeController(state).first }].map((line) => JSON.stringify(line));
      running.add(lines);
      return {
        stop() {
          running.delete(lines);
          return `${lines.join('\n')}\n`;
        },
      };
    },
    note(event, decision) {
      if (running.size === 0) return;
      const texts = [event, ...(decision ? [{ type: 'decision', decision }] : [])].map((line) => JSON.stringify(line));
      for (const lines of running) lines.push(...texts);
    },
  };
}
