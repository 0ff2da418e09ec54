/** A trace as a picture: latencies and what was allowed above, the route below, the decisions as a list. */
import type { PlaybackState } from '../state';
import { byId, make, setHidden, setText, svg, whenChanged } from '../ui/dom';
import { niceAbove } from '../ui/scale';
import { clock } from '../ui/words';
import { label, line, linearAxis, onWidth, spaced } from './plot';
import { type Playback, verdict } from './trace';

const LEFT = 42;
const RIGHT = 12;
const TOP = 10;
const LATENCY_HEIGHT = 130;
const GAP = 26;
const BOTTOM = 22;
const LANE = 8;
/** More dots than this cannot be told apart; every n-th is drawn. */
const MOST_DOTS = 8000;
/** Longer lists are cut; the file has them all. */
const MOST_ENTRIES = 400;

export function createTraceView(): (state: PlaybackState) => void {
  const box = byId('playback', HTMLElement);
  const broken = byId('playback-broken', HTMLParagraphElement);
  const title = byId('playback-title', HTMLHeadingElement);
  const words = byId('playback-verdict', HTMLParagraphElement);
  const plot = byId('playback-plot', HTMLDivElement);
  const list = byId('playback-log', HTMLOListElement);
  let state: PlaybackState = { kind: 'none' };
  let width = 0;

  const draw = () => {
    plot.replaceChildren(...(state.kind === 'shown' && width > 0 ? [timeline(state.playback, width)] : []));
  };
  onWidth(plot, (now) => {
    width = now;
    draw();
  });
  const renew = whenChanged(() => {
    setHidden(box, state.kind !== 'shown');
    setText(broken, state.kind === 'broken' ? `“${state.name}” could not be played back: ${state.why}` : '');
    if (state.kind !== 'shown') return draw();
    setText(title, state.name);
    setText(words, verdict(state.playback));
    words.classList.toggle('wrong', state.playback.differsAt !== undefined);
    list.replaceChildren(...entries(state.playback));
    draw();
  });
  return (next) => {
    state = next;
    renew(next);
  };
}

function entries({ decisions, differsAt }: Playback): HTMLLIElement[] {
  const shown = decisions.slice(0, MOST_ENTRIES).map((one, i) => {
    const kind = i === differsAt ? 'wrong' : one.from !== one.to ? 'moved' : '';
    return make('li', kind, make('time', '', clock(one.atMs)), make('span', '', one.text));
  });
  const more = decisions.length - shown.length;
  return more > 0 ? [...shown, make('li', 'soft', `… and ${more} more.`)] : shown;
}

function timeline({ start, frames, decisions, rungs, durationMs }: Playback, width: number): SVGSVGElement {
  const points = [{ atMs: 0, to: start.route, targetMs: start.targetMs }, ...decisions];
  const seconds = durationMs / 1000;
  const laneHeight = Math.min(Math.max(rungs.length * LANE, 40), 140);
  const lanesTop = TOP + LATENCY_HEIGHT + GAP;
  const height = lanesTop + laneHeight + BOTTOM;
  const x = linearAxis(0, seconds, LEFT, width - RIGHT, Math.max(2, Math.floor(width / 110)));
  const latencies = frames.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b);
  const targets = points.map(({ targetMs }) => targetMs);
  const top = niceAbove(
    Math.max((latencies[Math.floor(latencies.length * 0.98)] ?? 0) * 1.1, Math.max(...targets) * 1.15, 0.1),
  );
  const y = linearAxis(0, top, TOP + LATENCY_HEIGHT, TOP);
  const plot = svg('svg', {
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: 'img',
    'aria-label': `${frames.length} frames over ${seconds.toFixed(0)} seconds, with ${decisions.length} decisions. The list below has them in words.`,
  });
  for (const value of spaced({ ...y, ticks: y.ticks.toReversed() }, 20)) {
    plot.append(
      line(LEFT, y.at(value), width - RIGHT, y.at(value), 'grid'),
      label(String(value), LEFT - 6, y.at(value) + 4, 'tick-text', 'end'),
    );
  }
  plot.append(label('ms', 2, TOP + LATENCY_HEIGHT + 16, 'tick-text', 'start'));
  const stride = Math.max(1, Math.ceil(frames.length / MOST_DOTS));
  const dots = frames.filter((_, i) => i % stride === 0);
  const dot = (list: typeof frames) =>
    list.map(({ atMs, latencyMs }) => `M${x.at(atMs / 1000).toFixed(1)} ${y.at(latencyMs).toFixed(1)}h0`).join('');
  const allowed = stepper(points);
  const late = dots.filter(({ atMs, latencyMs }) => latencyMs > allowed(atMs));
  plot.append(svg('path', { d: dot(dots), class: 'dots' }), svg('path', { d: dot(late), class: 'dots late' }));
  const end = x.at(seconds).toFixed(1);
  const steps = (height_: (point: (typeof points)[number]) => number) =>
    points
      .map(
        (point, i) =>
          `${i === 0 ? 'M' : 'H'}${x.at(point.atMs / 1000).toFixed(1)}${i === 0 ? ' ' : 'V'}${height_(point).toFixed(1)}`,
      )
      .join('') + `H${end}`;
  plot.append(svg('path', { d: steps(({ targetMs }) => y.at(targetMs)), class: 'allowed' }));

  const lane = (id: string) => {
    const index = rungs.findIndex((rung) => rung.id === id);
    return lanesTop + laneHeight - ((index + 0.5) / Math.max(rungs.length, 1)) * laneHeight;
  };
  plot.append(
    svg('rect', { x: LEFT, y: lanesTop, width: Math.max(width - LEFT - RIGHT, 0), height: laneHeight, rx: 4, class: 'lanes' }),
  );
  plot.append(svg('path', { d: steps(({ to }) => lane(to)), class: 'route-line-path' }));
  plot.append(label(rungs.at(-1)?.id ?? '', LEFT + 4, lanesTop - 5, 'tick-text', 'start'));
  if (rungs.length > 1) plot.append(label(rungs[0]?.id ?? '', LEFT + 4, lanesTop + laneHeight + 14, 'tick-text', 'start'));
  for (const value of x.ticks.slice(1))
    plot.append(
      label(`${value} s`, x.at(value), lanesTop + laneHeight + 14, 'tick-text', value >= seconds * 0.97 ? 'end' : 'middle'),
    );
  return plot;
}

/** The target that held at a time; asked with rising times. */
function stepper(points: readonly { readonly atMs: number; readonly targetMs: number }[]): (atMs: number) => number {
  let index = 0;
  return (atMs) => {
    while ((points[index + 1]?.atMs ?? Infinity) <= atMs) index++;
    return points[index]?.targetMs ?? Infinity;
  };
}
