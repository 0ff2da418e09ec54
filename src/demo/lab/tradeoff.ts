/**
 * Accuracy against cost: every route a mark, the ladder a thread through the best of them, and where the device is now. The
 * ring sits on the route in use at its expected time; the filled knot beside it is what frames really take.
 */
import type { RouteState } from '../../index';
import type { Loaded, State } from '../state';
import { byId, calm, setText, svg, whenChanged } from '../ui/dom';
import { ms, percent } from '../ui/words';
import { createLive, medianNow } from './live';
import { type Axis, label, line, linearAxis, logAxis, onWidth, spaced } from './plot';
import { accuracyOf, expectedMs, routeWords } from './routes';

export interface TradeoffActions {
  lock(route: string): void;
  free(): void;
}

interface Mark {
  readonly route: RouteState;
  readonly cost: number;
  readonly worth: number;
  readonly x: number;
  readonly y: number;
  readonly element: SVGGElement;
}

const LEFT = 42;
const RIGHT = 12;
const TOP = 14;
const BOTTOM = 36;
const LIVE_MS = 200;
/** How far from a mark a pointer still means it, px. */
const REACH = 28;
/** Room on the time axis, as factors of the cheapest and the dearest route: below for a fast moment, above for a slow one. */
const FASTER = 0.75;
const SLOWER = 2.2;
/** Below this width the marks are smaller, so that seventy of them stay apart, px. */
const NARROW = 480;

export function createTradeoff(actions: TradeoffActions): (state: State) => void {
  const box = byId('tradeoff-plot', HTMLDivElement);
  const text = byId('tradeoff-text', HTMLParagraphElement);
  const picked = byId('tradeoff-picked', HTMLParagraphElement);
  const hold = byId('tradeoff-hold', HTMLButtonElement);
  const axes = [...document.querySelectorAll<HTMLInputElement>('input[name="tradeoff-axis"]')];
  const inTime = () => axes.find((one) => one.checked)?.value !== 'macs';

  let state: State | null = null;
  let marks: readonly Mark[] = [];
  let x: Axis | null = null;
  let y: Axis | null = null;
  let width = 0;
  let chosen: string | null = null;
  const live = createLive();

  const draw = () => {
    const loaded = state?.loaded;
    if (width === 0 || loaded === null || loaded === undefined) {
      marks = [];
      return box.replaceChildren();
    }
    const height = Math.round(Math.min(Math.max(width * 0.56, 250), 340));
    const known = loaded.routes
      .map((route) => ({ route, cost: inTime() ? expectedMs(loaded, route.id) : route.macs, worth: accuracyOf(loaded, route) }))
      .filter(({ cost }) => Number.isFinite(cost) && cost > 0)
      .sort((a, b) => a.cost - b.cost);
    const costs = known.map(({ cost }) => cost);
    const worths = known.map(({ worth }) => worth);
    const [low, high] = [Math.min(...costs), Math.max(...costs)];
    x = logAxis(low * (inTime() ? FASTER : 0.85), high * (inTime() ? SLOWER : 1.18), LEFT, width - RIGHT);
    const spread = Math.max(Math.max(...worths) - Math.min(...worths), 0.01);
    y = linearAxis(Math.min(...worths) - spread * 0.1, Math.max(...worths) + spread * 0.12, height - BOTTOM, TOP);
    const { at: across } = x;
    const { at: up } = y;

    const plot = svg('svg', {
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: 'listbox',
      tabindex: 0,
      'aria-labelledby': 'tradeoff-title',
      'aria-describedby': 'tradeoff-text',
    });
    for (const value of y.ticks) {
      plot.append(
        line(LEFT, up(value), width - RIGHT, up(value), 'grid'),
        label(percent(value), LEFT - 6, up(value) + 4, 'tick-text', 'end'),
      );
    }
    for (const value of spaced(x, 34)) {
      plot.append(line(across(value), height - BOTTOM, across(value), height - BOTTOM + 4, 'grid'));
      plot.append(label(costTick(value, inTime()), across(value), height - BOTTOM + 16));
    }
    const measured = loaded.routes.every((route) => route.top1 !== undefined);
    plot.append(
      label(inTime() ? 'ms for one answer' : 'million multiply-adds', width - RIGHT, height - 3, 'tick-text', 'end'),
      label(measured ? '↑ right answers' : '↑ size, for want of accuracies', 2, height - 3, 'tick-text', 'start'),
    );
    if (inTime()) plot.append(live.over);

    const front = loaded.ladder.flatMap((rung) => known.filter(({ route }) => route.id === rung.id));
    const d = front.map(
      ({ cost, worth }, i) => `${i === 0 ? 'M' : 'H'}${across(cost).toFixed(1)}${i === 0 ? ' ' : 'V'}${up(worth).toFixed(1)}`,
    );
    plot.append(svg('path', { d: d.join(''), class: 'front' }));

    const scale = width < NARROW ? 0.75 : 1;
    const edge = 10 * scale;
    const onFront = new Set(loaded.ladder.map((rung) => rung.id));
    marks = known.map(({ route, cost, worth }) => {
      const [cx, cy] = [across(cost), up(worth)];
      const isAnchor = route.path.length === 1;
      const kind = `mark${isAnchor ? ' anchor' : ''}${onFront.has(route.id) ? ' on-front' : ''}${route.available ? '' : ' absent'}`;
      const shape = isAnchor
        ? svg('rect', { x: (cx - edge / 2).toFixed(1), y: (cy - edge / 2).toFixed(1), width: edge, height: edge, rx: 2 })
        : svg('circle', { cx: cx.toFixed(1), cy: cy.toFixed(1), r: (onFront.has(route.id) ? 4 : 3) * scale });
      const element = svg(
        'g',
        {
          class: kind,
          role: 'option',
          id: `route-mark-${route.id}`,
          'aria-label': routeWords(loaded, route),
          'aria-selected': 'false',
        },
        shape,
      );
      plot.append(element);
      return { route, cost, worth, x: cx, y: cy, element };
    });
    for (const { route, x: cx, y: cy } of marks) {
      if (route.path.length > 1) continue;
      // Nothing lies above the front; an anchor that has fallen behind it has its room below.
      const isAbove = onFront.has(route.id);
      const atEdge = isAbove ? cx < LEFT + 50 : cx > width - RIGHT - 50;
      const side = isAbove !== atEdge ? 'end' : 'start';
      plot.append(label(route.id, side === 'end' ? cx - 9 : cx + 9, isAbove ? cy - 8 : cy + 17, 'anchor-name', side));
    }
    plot.append(live.group);
    wire(plot);
    // Routes that arrive while somebody goes through the plot by keyboard must not take the focus away.
    const hadFocus = document.activeElement !== null && document.activeElement === box.firstElementChild;
    box.replaceChildren(plot);
    if (hadFocus) plot.focus({ preventScroll: true });
    pick(chosen);
    follow();
  };

  /** Where the device is now; moves several times a second, so nothing is made here. */
  const follow = () => {
    if (state === null || x === null || y === null) return;
    const mark = marks.find(({ route }) => route.id === state?.route);
    live.move(state, mark, x, y, inTime());
    if (state.loaded !== null) setText(text, summary(state, state.loaded, mark));
  };
  const followCalmly = calm(LIVE_MS, follow);

  const pick = (id: string | null) => {
    const mark = marks.find(({ route }) => route.id === id);
    for (const one of marks) {
      const is = one === mark;
      one.element.classList.toggle('picked', is);
      one.element.setAttribute('aria-selected', String(is));
    }
    chosen = mark?.route.id ?? null;
    const plot = box.firstElementChild;
    if (mark === undefined) plot?.removeAttribute('aria-activedescendant');
    else plot?.setAttribute('aria-activedescendant', mark.element.id);
    renderPicked();
  };

  const renderPicked = () => {
    const loaded = state?.loaded;
    const mark = marks.find(({ route }) => route.id === chosen);
    const mode = state?.mode;
    const isHeld = mode?.kind === 'lock' && (chosen === null || mode.route === chosen);
    setText(
      picked,
      loaded && mark ? routeWords(loaded, mark.route) : 'Point at a mark, or use the arrow keys in the plot, to see its route.',
    );
    hold.disabled = mark?.route.available !== true && !isHeld;
    setText(hold, isHeld ? 'Back to automatic' : 'Always use this route');
    hold.dataset['held'] = String(isHeld);
  };

  const wire = (plot: SVGSVGElement) => {
    const near = (event: PointerEvent) => {
      const rect = plot.getBoundingClientRect();
      const [px, py] = [event.clientX - rect.left, event.clientY - rect.top];
      const distance = (mark: Mark) => Math.hypot(mark.x - px, mark.y - py);
      const [best] = [...marks].sort((a, b) => distance(a) - distance(b));
      return best !== undefined && distance(best) <= REACH ? best.route.id : null;
    };
    const point = (event: PointerEvent) => {
      const id = near(event);
      if (id !== null && id !== chosen) pick(id);
    };
    plot.addEventListener('pointermove', point);
    plot.addEventListener('pointerdown', point);
    plot.addEventListener('keydown', (event) => {
      const id = step(event.key, marks, chosen ?? state?.route ?? '', state?.loaded ?? null);
      if (id === undefined) return;
      event.preventDefault();
      pick(id);
    });
  };

  hold.addEventListener('click', () => {
    if (hold.dataset['held'] === 'true') actions.free();
    else if (chosen !== null) actions.lock(chosen);
  });
  for (const input of axes) input.addEventListener('change', draw);
  onWidth(box, (now) => {
    width = now;
    draw();
  });

  const redraw = whenChanged(draw);
  const repick = whenChanged(renderPicked);
  return (next) => {
    state = next;
    redraw(next.loaded?.routes, next.loaded?.ladder, next.loaded?.profile);
    repick(next.mode, next.loaded);
    followCalmly(next);
  };
}

/** Left and right go through all routes by cost, up and down along the front. */
function step(key: string, marks: readonly Mark[], from: string, loaded: Loaded | null): string | undefined {
  const along = (ids: readonly string[], by: number) => {
    const here = ids.indexOf(from);
    return here < 0 ? ids[by > 0 ? 0 : ids.length - 1] : ids[Math.min(Math.max(here + by, 0), ids.length - 1)];
  };
  const all = marks.map(({ route }) => route.id);
  const front = (loaded?.ladder ?? []).map((rung) => rung.id);
  switch (key) {
    case 'ArrowRight':
      return along(all, 1);
    case 'ArrowLeft':
      return along(all, -1);
    case 'ArrowUp':
      return along(front, 1);
    case 'ArrowDown':
      return along(front, -1);
    case 'Home':
      return all[0];
    case 'End':
      return all.at(-1);
    default:
      return undefined;
  }
}

function summary(state: State, loaded: Loaded, mark: Mark | undefined): string {
  const absent = loaded.routes.filter(({ available }) => !available).length;
  const missing = absent === 0 ? '' : `, ${absent} not loaded (faint)`;
  const count = `${loaded.routes.length} routes, ${loaded.ladder.length} of them worth using here (on the thread)${missing}`;
  if (mark === undefined) return `${count}.`;
  const now = medianNow(state);
  const expected = expectedMs(loaded, mark.route.id);
  const real = now === undefined ? '' : `, frames take ${ms(now)}`;
  return `${count}. Now on ${mark.route.id}: expected ${ms(expected)}${real}.`;
}

function costTick(value: number, inTime: boolean): string {
  return String(Number((inTime ? value : value / 1e6).toPrecision(3)));
}
