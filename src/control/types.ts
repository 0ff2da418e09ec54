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
  /** What one inference may take now, after battery, pressure and energy mode. */
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
