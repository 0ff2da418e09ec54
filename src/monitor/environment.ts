/** The browser objects the sensors read, as far as they read them: a test passes its own, Node has none. */

export interface EventSource {
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

export interface BatteryManagerLike extends EventSource {
  /** 0…1 */
  readonly level: number;
  readonly charging: boolean;
}

export interface NavigatorLike {
  getBattery?: () => Promise<BatteryManagerLike>;
  readonly connection?: (Partial<EventSource> & { readonly saveData?: boolean }) | undefined;
}

export interface DocumentLike extends EventSource {
  readonly visibilityState: string;
}

export interface PressureObserverLike {
  observe(source: string, options?: { readonly sampleInterval: number }): Promise<void>;
  disconnect(): void;
}

export type PressureObserverClass = new (
  callback: (records: readonly { readonly state: string }[]) => void,
) => PressureObserverLike;

export interface PerformanceObserverLike {
  observe(options: { readonly type: string }): void;
  disconnect(): void;
}

export interface PerformanceObserverClass {
  new (callback: (list: { getEntries(): readonly { readonly duration: number }[] }) => void): PerformanceObserverLike;
  readonly supportedEntryTypes?: readonly string[];
}

export interface MonitorEnvironment {
  readonly navigator?: NavigatorLike | undefined;
  readonly document?: DocumentLike | undefined;
  /** The window, for `pagehide` and `pageshow`. */
  readonly window?: EventSource | undefined;
  readonly PressureObserver?: PressureObserverClass | undefined;
  readonly PerformanceObserver?: PerformanceObserverClass | undefined;
  readonly requestAnimationFrame?: ((callback: (now: number) => void) => number) | undefined;
  readonly cancelAnimationFrame?: ((handle: number) => void) | undefined;
}

/** What this realm offers. The library types of TypeScript know neither battery nor pressure, hence the view. */
export function browserEnvironment(): MonitorEnvironment {
  const realm = globalThis as unknown as MonitorEnvironment;
  return {
    navigator: realm.navigator,
    document: realm.document,
    window: realm.window,
    PressureObserver: realm.PressureObserver,
    PerformanceObserver: realm.PerformanceObserver,
    requestAnimationFrame: realm.requestAnimationFrame?.bind(globalThis),
    cancelAnimationFrame: realm.cancelAnimationFrame?.bind(globalThis),
  };
}
