/** The few DOM helpers the pages need. Text goes in as text, never as HTML. */

/** The element with this id; a missing or different one is a mistake in the page. */
export function byId<T extends Element>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`this page has no ${type.name} #${id}`);
  return found;
}

/** Writes only what changed, so that assistive technology and layout are left in peace. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setHidden(element: HTMLElement, hidden: boolean): void {
  if (element.hidden !== hidden) element.hidden = hidden;
}

export function setAttribute(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  element.append(...children);
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string | number>>,
  ...children: Node[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** Runs `update` only when the key differs from the last time: the cheap half of a virtual DOM. */
export function whenChanged(update: () => void): (...key: readonly unknown[]) => void {
  let last: readonly unknown[] | null = null;
  return (...key) => {
    if (last !== null && last.length === key.length && key.every((one, i) => Object.is(one, last?.[i]))) return;
    last = key;
    update();
  };
}

/** Lets a call through at most once per `ms`; the newest skipped call runs at the end of the pause. */
export function calm<T>(ms: number, run: (value: T) => void): (value: T) => void {
  let next = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  return (value) => {
    const now = performance.now();
    clearTimeout(timer);
    if (now >= next) {
      next = now + ms;
      run(value);
    } else {
      timer = setTimeout(() => {
        next = performance.now() + ms;
        run(value);
      }, next - now);
    }
  };
}

/** Runs `change`. Where it hides the one of `places` that has the focus, the first that is shown gets it. */
export function keepingFocus(places: readonly HTMLElement[], change: () => void): void {
  const focused = places.find((place) => place === document.activeElement);
  change();
  const isShown = (place: HTMLElement) => place.closest('[hidden]') === null;
  if (focused !== undefined && !isShown(focused)) places.find(isShown)?.focus();
}
