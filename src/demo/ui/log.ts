/** The decision log, newest first. */
import type { LogEntry } from '../state';
import { byId, make } from './dom';
import { clock } from './words';

interface Log {
  render(log: readonly LogEntry[]): void;
}

export function createLog(): Log {
  const list = byId('log', HTMLOListElement);
  let shown: readonly LogEntry[] | null = null;
  return {
    render(log) {
      if (log === shown) return;
      shown = log;
      if (log.length === 0) {
        list.replaceChildren(make('li', 'soft', 'Nothing has been decided yet.'));
        return;
      }
      const items = log.map((entry) => {
        const time = make('time', '', clock(entry.at));
        return make('li', entry.from !== entry.to ? 'moved' : '', time, make('span', '', entry.text));
      });
      list.replaceChildren(...items);
    },
  };
}
