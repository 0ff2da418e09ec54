/** Slider, route and energy lists, load switch. They only say what is wished; the route follows from what is measured. */
import type { ControlMode, EnergyMode, RouteInfo, Rung } from '../../index';
import { loadText } from '../load/state';
import type { State } from '../state';
import { byId, make, setAttribute, setText, whenChanged } from './dom';
import { sliderRange } from './scale';
import { ms, percent } from './words';

export interface ControlActions {
  budget(latencyMs: number): void;
  energy(mode: EnergyMode): void;
  mode(mode: ControlMode): void;
  load(on: boolean): void;
  strength(value: number): void;
}

interface Controls {
  render(state: State): void;
}

const KINDS = [
  ['lock', 'Always'],
  ['cap', 'At most'],
  ['floor', 'At least'],
] as const;

function parseMode(value: string): ControlMode {
  for (const [kind] of KINDS) if (value.startsWith(`${kind}:`)) return { kind, route: value.slice(kind.length + 1) };
  return { kind: 'auto' };
}

const modeValue = (mode: ControlMode) => (mode.kind === 'auto' ? 'auto' : `${mode.kind}:${mode.route}`);

export function createControls(actions: ControlActions): Controls {
  const slider = byId('budget', HTMLInputElement);
  const value = byId('budget-value', HTMLOutputElement);
  const ticks = byId('ticks', HTMLDivElement);
  const mode = byId('mode', HTMLSelectElement);
  const energy = byId('energy', HTMLSelectElement);
  const loadSwitch = byId('load-switch', HTMLButtonElement);
  const strength = byId('strength', HTMLSelectElement);
  const loadLine = byId('load-text', HTMLParagraphElement);
  const loadLive = byId('load-live', HTMLParagraphElement);
  let current: State | null = null;

  slider.addEventListener('input', () => actions.budget(slider.valueAsNumber));
  energy.addEventListener('change', () => actions.energy(energy.value as EnergyMode));
  mode.addEventListener('change', () => actions.mode(parseMode(mode.value)));
  loadSwitch.addEventListener('click', () => actions.load(loadSwitch.getAttribute('aria-checked') !== 'true'));
  strength.addEventListener('change', () => actions.strength(Number(strength.value)));

  const state = (): State => {
    if (current === null) throw new Error('render first');
    return current;
  };

  const renderRange = whenChanged(() => {
    const { loaded, budgetMs } = state();
    const range = sliderRange(loaded?.ladder ?? [], budgetMs);
    slider.min = String(range.min);
    slider.max = String(range.max);
    slider.step = String(range.step);
    slider.value = String(budgetMs);
  });
  const renderBudget = whenChanged(() => {
    const { budgetMs } = state();
    if (slider.valueAsNumber !== budgetMs) slider.value = String(budgetMs);
    // Exactly what is set, where measured times are rounded.
    setText(value, `${Number(budgetMs.toFixed(2))} ms`);
    slider.setAttribute('aria-valuetext', `${budgetMs} milliseconds`);
  });
  const renderTicks = whenChanged(() => {
    const { loaded, route } = state();
    const min = Number(slider.min);
    const span = Number(slider.max) - min;
    ticks.replaceChildren(
      ...(loaded?.ladder ?? []).map((rung) => {
        const tick = make('span', rung.id === route ? 'tick lit' : 'tick');
        tick.style.left = `${((rung.costMs - min) / span) * 100}%`;
        return tick;
      }),
    );
  });
  const renderModes = whenChanged(() => {
    const { loaded } = state();
    const auto = new Option('automatic', 'auto');
    const groups = KINDS.map(([kind, words]) => {
      const group = document.createElement('optgroup');
      group.label = words;
      group.append(
        ...(loaded?.ladder ?? []).map((rung) => new Option(rungText(words, rung, loaded?.routes ?? []), `${kind}:${rung.id}`)),
      );
      return group;
    });
    mode.replaceChildren(auto, ...groups);
    const wanted = modeValue(state().mode);
    // A route that is locked in the plot need not be worth a place on the ladder.
    if (![...mode.options].some((option) => option.value === wanted)) {
      const { kind, route = '' } = { route: undefined, ...state().mode };
      const at = KINDS.findIndex(([one]) => one === kind);
      groups[at]?.append(new Option(`${KINDS[at]?.[1]} ${route} (not on the ladder)`, wanted));
    }
    mode.value = wanted;
  });
  // Said once when the load starts, runs, stops or fails; its share, which moves every second, is only shown.
  const sayLoad = whenChanged(() => setText(loadLive, loadText(state().load)));

  return {
    render(next) {
      current = next;
      const { phase, loaded, budgetMs, load } = next;
      const ready = phase === 'ready';
      slider.disabled = mode.disabled = energy.disabled = loadSwitch.disabled = strength.disabled = !ready;
      // The range moves only when the ladder does, or when the budget would fall outside: never under the finger.
      renderRange(loaded?.ladder, budgetMs > Number(slider.max) || budgetMs < Number(slider.min));
      renderBudget(budgetMs, loaded?.ladder);
      renderTicks(loaded?.ladder, next.route, slider.min, slider.max);
      renderModes(loaded?.ladder, next.mode);
      if (energy.value !== next.energy) energy.value = next.energy;
      const on = load.kind === 'on' || load.kind === 'starting';
      setAttribute(loadSwitch, 'aria-checked', String(on));
      setText(loadLine, loadText(load));
      loadLine.classList.toggle('loaded', on);
      sayLoad(load.kind);
    },
  };
}

function rungText(words: string, rung: Rung, routes: readonly RouteInfo[]): string {
  const top1 = routes.find((route) => route.id === rung.id)?.top1;
  return `${words} ${rung.id} (${ms(rung.costMs)}${top1 === undefined ? '' : `, ${percent(top1, 1)} right`})`;
}
