/** The part of the trade-off plot that moves: the budget's edge, the route in use, and where its frames are. Makes nothing anew. */
import type { State } from '../state';
import { setText, svg } from '../ui/dom';
import { targetOf } from '../ui/target';
import { ms } from '../ui/words';
import { type Axis, label } from './plot';

/** The newest answers whose median is "now". */
const NEWEST = 9;
/** A budget this close to the left edge is named on its right, px. */
const NAME_ROOM = 60;

export interface Live {
  /** Lies under the marks. */
  readonly over: SVGGElement;
  /** Lies over them. */
  readonly group: SVGGElement;
  /** `mark`: the route in use, at its place in the plot. Without time on the x axis there is no budget to show. */
  move(state: State, mark: { readonly x: number; readonly y: number } | undefined, x: Axis, y: Axis, inTime: boolean): void;
}

/** The ring stays on the route in use; the knot beside it follows what frames take. */
export function createLive(): Live {
  const over = svg('g', {});
  const wash = svg('rect', { class: 'over-budget' });
  const edge = svg('line', { class: 'budget-line' });
  const name = label('budget', 0, 0, 'budget-name', 'end');
  // What battery and energy mode leave of the budget.
  const target = svg('line', { class: 'target-line' });
  over.append(wash, target, edge, name);
  const tether = svg('line', { class: 'tether' });
  const ring = svg('circle', { r: 8, class: 'ring' });
  const knot = svg('circle', { r: 5, class: 'now' });
  const group = svg('g', { 'aria-hidden': 'true' }, tether, ring, knot);

  return {
    over,
    group,
    move(state, mark, x, y, inTime) {
      const edgeX = x.at(state.budgetMs);
      const [top, bottom] = [y.at(y.max), y.at(y.min)];
      const set = (element: Element, values: Readonly<Record<string, number>>) => {
        for (const [key, value] of Object.entries(values)) element.setAttribute(key, value.toFixed(1));
      };
      const end = x.at(x.max);
      set(wash, { x: edgeX, y: top, width: Math.max(end - edgeX, 0), height: bottom - top });
      set(edge, { x1: edgeX, x2: edgeX, y1: top, y2: bottom });
      const targetMs = targetOf(state);
      set(target, { x1: x.at(targetMs), x2: x.at(targetMs), y1: top, y2: bottom });
      const outside = state.budgetMs > x.max;
      const atLeft = edgeX < x.at(x.min) + NAME_ROOM;
      // At the foot of the plot: dear and bad is where no route lies.
      set(name, { x: atLeft ? edgeX + 6 : edgeX - 6, y: bottom - 8 });
      name.setAttribute('text-anchor', atLeft ? 'start' : 'end');
      setText(name, outside ? `budget ${ms(state.budgetMs)} →` : 'budget');
      group.style.display = mark === undefined ? 'none' : '';
      if (mark === undefined) return;
      const now = inTime ? medianNow(state) : undefined;
      const nowX = now === undefined ? mark.x : x.at(now);
      place(ring, mark.x, mark.y);
      place(knot, nowX, mark.y);
      set(tether, { x1: mark.x, x2: nowX, y1: mark.y, y2: mark.y });
      knot.classList.toggle('late', now !== undefined && now > state.budgetMs);
    },
  };
}

/** By style and not by attribute, so that CSS can let it glide. */
function place(element: SVGElement, x: number, y: number): void {
  element.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`;
}

/** Median of the newest answers on the route in use; undefined before the first. */
export function medianNow({ samples, route }: State): number | undefined {
  const newest = samples.slice(-NEWEST).filter((sample) => sample.route === route);
  const sorted = newest.map((sample) => sample.ms).sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}
