/** What the plots share: axes with readable ticks, and text that fits. Values in the data's unit, positions in CSS pixels. */
import { svg } from '../ui/dom';

export interface Axis {
  /** Position of a value; values outside the axis land on its ends. */
  at(value: number): number;
  readonly min: number;
  readonly max: number;
  readonly ticks: readonly number[];
}

const STEPS = [1, 2, 5] as const;
/** With fewer round numbers than this on a logarithmic axis, more of them are called round. */
const FEW_TICKS = 4;

function axisOf(min: number, max: number, place: (value: number) => number, ticks: readonly number[]): Axis {
  return { at: (value) => place(Math.min(Math.max(value, min), max)), min, max, ticks };
}

/** Logarithmic, `min` at `from` and `max` at `to`: the same slowdown is the same distance everywhere. Both ends above 0. */
export function logAxis(min: number, max: number, from: number, to: number): Axis {
  const span = Math.log(max / min);
  const place = (value: number) => from + (Math.log(value / min) / span) * (to - from);
  const decades = Array.from(
    { length: Math.ceil(Math.log10(max)) - Math.floor(Math.log10(min)) + 1 },
    (_, i) => 10 ** (Math.floor(Math.log10(min)) + i),
  );
  const inside = (steps: readonly number[]) =>
    decades.flatMap((unit) => steps.map((step) => Number((step * unit).toPrecision(3)))).filter((v) => v >= min && v <= max);
  const coarse = inside(STEPS);
  return axisOf(min, max, place, coarse.length < FEW_TICKS ? inside([1, 1.5, 2, 3, 4, 5, 6, 8]) : coarse);
}

/** Linear, about `count` round ticks. */
export function linearAxis(min: number, max: number, from: number, to: number, count = 4): Axis {
  const place = (value: number) => from + ((value - min) / (max - min)) * (to - from);
  const raw = (max - min) / count;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = unit * ([1, 2, 5, 10].find((one) => one * unit >= raw * 0.999) ?? 10);
  const first = Math.ceil(min / step - 1e-9);
  const ticks = Array.from({ length: Math.max(0, Math.floor(max / step + 1e-9) - first + 1) }, (_, i) =>
    Number(((first + i) * step).toPrecision(6)),
  );
  return axisOf(min, max, place, ticks);
}

/** Ticks that keep `gap` pixels between them, so that their texts do not touch. */
export function spaced(axis: Axis, gap: number): readonly number[] {
  let last = -Infinity;
  return axis.ticks.filter((value) => {
    const position = axis.at(value);
    if (Math.abs(position - last) < gap) return false;
    last = position;
    return true;
  });
}

/** A text of the plot; hidden from assistive technology, which has the sentence and the table. */
export function label(text: string, x: number, y: number, className = 'tick-text', anchor = 'middle'): SVGTextElement {
  const element = svg('text', {
    x: x.toFixed(1),
    y: y.toFixed(1),
    class: className,
    'text-anchor': anchor,
    'aria-hidden': 'true',
  });
  element.textContent = text;
  return element;
}

export function line(x1: number, y1: number, x2: number, y2: number, className: string): SVGLineElement {
  return svg('line', { x1: x1.toFixed(1), y1: y1.toFixed(1), x2: x2.toFixed(1), y2: y2.toFixed(1), class: className });
}

/** Calls `draw` with the element's width whenever that changes. */
export function onWidth(element: Element, draw: (width: number) => void): void {
  let width = 0;
  new ResizeObserver(() => {
    const now = Math.floor(element.clientWidth);
    if (now === width || now === 0) return;
    width = now;
    draw(now);
  }).observe(element);
}
