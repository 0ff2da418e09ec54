/** What the controller eats and says. Plain data; no clock, no DOM: every event carries its time. */
import type { Budget } from '../core/types';

/** One step of the ladder. `accuracy` is measured top-1 in 0…1, or a stand-in that grows with MACs. */
export interface Rung {
  readonly id: string;
  /** Expected latency of this route on this device at slowdown 1, in ms. */
  readonly costMs: number;
  readonly accuracy: number;
}

export type BatteryState =
  { readonly known: false } | { readonly known: true; readonly level: number; readonly charging: boolean };

export type PressureLevel = 'unknown' | 'nominal' | 'fair' | 'serious' | 'critical';

/** What one route costs on this device, ms. */
export interface RouteCost {
  readonly route: string;
  readonly predictedMs: number;
  /** Median of the frames that were run on it; absent where it was not measured. */
  readonly measuredMs?: number;
}

/** What every route costs on one device, and how that is known. Plain JSON data. */
export interface DeviceProfile {
  readonly format: 'running-stitch-profile/1';
  /** Runtime version, executor, adapter and bundle that it holds for. */
  readonly key: string;
  /** ISO 8601 time of the measurement. */
  readonly measuredAt: string;
  /** The part of a frame's time that does not depend on the route, ms. */
  readonly overheadMs: number;
  /** Every route of the bundle. */
  readonly routes: readonly RouteCost[];
  /**
   * Median of |predicted − measured| / measured, a share of 1, over measured routes against a fit that was made without them;
   * −1 where too little was measured to say.
   */
  readonly medianError: number;
  /**
   * `priors`: times that came with the bundle, scaled to this device by one measured route. `measured`: on this page. `stored`: on
   * an earlier visit of this device. `refined`: anew between frames, because the profile no longer held.
   */
  readonly source: 'priors' | 'measured' | 'stored' | 'refined';
}

/** Frames a second of the page's own animation, as far as the browser lets it be seen. */
export type PageFps = number | 'unknown';

/** `sustained-slowdown` stands in for heat, which no browser tells: slow for long, without a sudden cause. */
export type Thermal = 'steady' | 'sustained-slowdown';

/** What the sensors say now; each degrades to unknown. */
export interface Signals {
  readonly battery: BatteryState;
  readonly pressure: PressureLevel;
  readonly visible: boolean;
  readonly saveData: boolean;
}

export type ControlMode =
  | { readonly kind: 'auto' }
  | { readonly kind: 'lock'; readonly route: string }
  | { readonly kind: 'cap'; readonly route: string }
  | { readonly kind: 'floor'; readonly route: string };

/** How the page's own animation ran in the last second. */
export interface PageEvent {
  readonly type: 'page';
  readonly now: number;
  readonly fps: PageFps;
  /** Of that second in frames longer than 50 ms. */
  readonly longMs: number | 'unknown';
}

/** `now` is milliseconds of one monotonic clock. */
export type ControlEvent =
  | {
      readonly type: 'sample';
      readonly now: number;
      readonly route: string;
      readonly latencyMs: number;
      readonly gpuMs?: number;
    }
  | { readonly type: 'signals'; readonly now: number; readonly signals: Signals }
  | PageEvent
  | { readonly type: 'budget'; readonly now: number; readonly budget: Budget }
  | { readonly type: 'mode'; readonly now: number; readonly mode: ControlMode }
  | { readonly type: 'ladder'; readonly now: number; readonly rungs: readonly Rung[] }
  | { readonly type: 'reset'; readonly now: number; readonly why: 'visibility' | 'device-lost' | 'sleep' };

export type DecisionReason =
  | 'start'
  | 'over-budget'
  | 'panic'
  | 'headroom'
  | 'probe-failed'
  | 'budget-changed'
  | 'battery'
  | 'pressure'
  | 'save-data'
  | 'visibility'
  | 'duty'
  | 'page-jank'
  | 'mode'
  | 'ladder'
  | 'hold';

/** A change of route, target or duty, with the numbers behind it. */
export interface Decision {
  readonly now: number;
  readonly from: string;
  /** Equals `from` when only the target or the duty changed, and on the first decision. */
  readonly to: string;
  readonly reason: DecisionReason;
  /** What one inference may take now, after battery, energy mode and data saving. */
  readonly targetMs: number;
  /** What the user asked for. */
  readonly budgetMs: number;
  /** Expected median latency of `to`, ms. */
  readonly predictedMs: number;
  /** The observation that caused it; absent when no frame did. */
  readonly observedMs?: number;
  /** Current slowdown of the device against its profile. */
  readonly slowdown: number;
  /** Share of frames to classify, 0…1: the second actuator below the lowest rung. */
  readonly duty: number;
  /** What the sensors said; present when they caused the decision. */
  readonly signals?: Signals;
}
