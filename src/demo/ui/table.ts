/** Tables with a head of columns and a head for each row. */
import { make } from './dom';

export interface Row {
  readonly head: string;
  readonly cells: readonly (string | Node)[];
  readonly className?: string;
}

export function bodyRow({ head, cells, className = '' }: Row): HTMLTableRowElement {
  const first = make('th', '', head);
  first.scope = 'row';
  return make('tr', className, first, ...cells.map((cell) => make('td', '', cell)));
}

/** In a box of its own that scrolls, and that a keyboard reaches. */
export function scrollingTable(name: string, columns: readonly string[], rows: readonly Row[]): HTMLElement {
  const heads = columns.map((column) => {
    const head = make('th', '', column);
    head.scope = 'col';
    return head;
  });
  const table = make('table', '', make('thead', '', make('tr', '', ...heads)), make('tbody', '', ...rows.map(bodyRow)));
  const box = make('div', 'scroll', table);
  box.tabIndex = 0;
  box.setAttribute('role', 'group');
  box.setAttribute('aria-label', name);
  return box;
}

/** Name and value, one a line. */
export function factList(facts: readonly (readonly [string, string])[]): HTMLElement {
  return make('dl', 'facts', ...facts.map(([name, value]) => make('div', '', make('dt', '', name), make('dd', '', value))));
}

/** A patch of the page under a heading. */
export function patch(id: string, title: string, ...children: (Node | string)[]): HTMLElement {
  const heading = make('h2', '', title);
  heading.id = `${id}-title`;
  const section = make('section', 'patch', heading, ...children);
  section.setAttribute('aria-labelledby', heading.id);
  section.dataset['testid'] = id;
  return section;
}
