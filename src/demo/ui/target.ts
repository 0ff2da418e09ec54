/** What battery, energy mode and data saving leave of the budget. */
import type { State } from '../state';
import { ms, percent } from './words';

/** Why less is allowed than the slider says; empty where nothing speaks for it. */
function reasons({ signals, energy }: State): readonly string[] {
  const why: string[] = [];
  if (signals?.battery.known === true && !signals.battery.charging)
    why.push(`the battery is at ${percent(signals.battery.level)}`);
  if (energy === 'saver') why.push('you chose saver');
  if (signals?.saveData === true) why.push('you asked sites to save data');
  return why;
}

/** What one answer may take now, ms; the budget itself where nothing lowers it. A snapshot may be older than the slider. */
export function targetOf(state: State): number {
  const { snapshot, budgetMs } = state;
  return snapshot === null || reasons(state).length === 0 ? budgetMs : Math.min(snapshot.targetMs, budgetMs);
}

/** Empty where the whole budget may be used. */
export function targetText(state: State): string {
  const target = targetOf(state);
  return target > state.budgetMs * 0.995 ? '' : `Allowed now: ${ms(target)}, because ${reasons(state).join(' and ')}.`;
}
