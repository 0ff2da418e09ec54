/** What the sensors say and what it costs: battery, pressure, heat, the page's own animation, and busy time against plan. */
import type { EnergyMode, Snapshot } from '../../index';
import type { LogEntry, State } from '../state';
import { byId, calm, setText } from '../ui/dom';
import { batteryText, percent } from '../ui/words';

const RENDER_MS = 500;
const MINUTE_S = 60;
/** The page's animation rate below which the guard steps in; said here, decided in the controller. */
const GUARDED_FPS = 55;

/** Share of the plan from which on it is what holds frames back. */
const NEAR_PLAN = 0.9;

const MODES: Readonly<Record<EnergyMode, string>> = {
  performance: 'Performance: a draining battery counts for little.',
  balanced: 'Balanced: a draining battery lowers the plan.',
  saver: 'Saver: a smaller plan, on any supply.',
};

export function createDevicePanel(): (state: State) => void {
  const text = (name: string) => byId(`device-${name}`, HTMLElement);
  const parts = {
    battery: text('battery'),
    pressure: text('pressure'),
    saving: text('saving'),
    heat: text('heat'),
    page: text('page'),
    guard: text('guard'),
    busy: text('busy'),
    note: text('note'),
  };
  const fill = byId('busy-fill', HTMLElement);
  const plan = byId('busy-plan', HTMLElement);

  const draw = calm(RENDER_MS, ({ signals, snapshot, energy, loaded, log }: State) => {
    setText(parts.battery, signals === null ? 'unknown' : batteryText(signals.battery));
    setText(parts.pressure, signals?.pressure ?? 'unknown');
    setText(parts.saving, signals === null ? 'unknown' : signals.saveData ? 'asked for' : 'not asked for');
    setText(parts.heat, heatText(snapshot));
    setText(
      parts.page,
      snapshot === null || snapshot.pageFps === 'unknown' ? 'unknown' : `${Math.round(snapshot.pageFps)} fps`,
    );
    setText(parts.guard, guardText(snapshot, log));
    setText(parts.busy, busyText(snapshot));
    const busy = snapshot?.busySecondsPerMinute ?? 0;
    const limit = snapshot?.planSecondsPerMinute ?? MINUTE_S;
    fill.style.width = share(busy);
    fill.classList.toggle('over', busy > limit * 1.05);
    plan.style.left = share(limit);
    plan.hidden = snapshot === null || limit >= MINUTE_S;
    const what =
      loaded?.device.adapter?.timestamps === true && loaded.device.executor === 'webgpu'
        ? 'GPU time'
        : 'the time of whole frames';
    setText(parts.note, `${MODES[energy]} Busy is ${what}; no browser tells how many joules that is.`);
  });
  return draw;
}

function heatText(snapshot: Snapshot | null): string {
  if (snapshot === null) return 'unknown';
  return snapshot.thermal === 'steady' ? 'no sign of it' : 'slow for long: climbs are rare';
}

/** Why fewer frames than possible are classified, by the newest decision that says so. */
function guardText(snapshot: Snapshot | null, log: readonly LogEntry[]): string {
  if (snapshot === null) return 'unknown';
  const { busySecondsPerMinute: busy, planSecondsPerMinute: plan } = snapshot;
  if (snapshot.duty > 0.995 && plan < MINUTE_S && busy > plan * NEAR_PLAN) return 'as many as the plan allows';
  if (snapshot.duty > 0.995) return snapshot.pageFps === 'unknown' ? 'all (the page’s rate is unknown)' : 'all';
  const cause = log.find(({ reason }) => reason !== undefined && reason in CAUSES)?.reason;
  return `${percent(snapshot.duty)}${cause === undefined ? '' : CAUSES[cause as keyof typeof CAUSES]}`;
}

const CAUSES = {
  'page-jank': `, because the page fell below ${GUARDED_FPS} fps`,
  duty: ', because even the cheapest route is too slow',
  visibility: ', because the page was hidden',
} as const;

function busyText(snapshot: Snapshot | null): string {
  if (snapshot === null) return 'Nothing has run yet.';
  const { busySecondsPerMinute: busy, planSecondsPerMinute: plan } = snapshot;
  const limit = plan >= MINUTE_S ? 'no limit is planned' : `planned are ${plan.toFixed(0)} s at most`;
  return `${busy.toFixed(1)} s of each minute; ${limit}.`;
}

function share(seconds: number): string {
  return `${Math.min(Math.max((seconds / MINUTE_S) * 100, 0), 100).toFixed(1)}%`;
}
