import { describe, expect, test, vi } from 'vitest';
import { watchBattery } from '../../../src/monitor/battery';
import type { MonitorEnvironment, PressureObserverClass } from '../../../src/monitor/environment';
import { createLatencyMonitor } from '../../../src/monitor/latency';
import { createMonitor } from '../../../src/monitor/monitor';
import { watchPressure } from '../../../src/monitor/pressure';
import { watchSaveData } from '../../../src/monitor/save-data';
import { watchVisibility } from '../../../src/monitor/visibility';

class FakeBattery extends EventTarget {
  level = 0.8;
  charging = false;
  set(level: number, charging: boolean) {
    this.level = level;
    this.charging = charging;
    this.dispatchEvent(new Event('levelchange'));
  }
}
class FakeDocument extends EventTarget {
  visibilityState = 'visible';
  set(state: string) {
    this.visibilityState = state;
    this.dispatchEvent(new Event('visibilitychange'));
  }
}
class FakeConnection extends EventTarget {
  saveData = false;
}

/** A class of observers that keeps the last callback, so that a test can report. */
function fakePressure(observe: () => Promise<void> = () => Promise.resolve()) {
  const seen: { report?: (state: string) => void; disconnected: number } = { disconnected: 0 };
  class Observer {
    constructor(callback: (records: readonly { readonly state: string }[]) => void) {
      seen.report = (state) => callback([{ state: 'nominal' }, { state }]);
    }
    observe = observe;
    disconnect() {
      seen.disconnected++;
    }
  }
  return { seen, PressureObserver: Observer satisfies PressureObserverClass };
}

const settle = () => new Promise<void>((resolve) => setTimeout(resolve));

describe('battery', () => {
  test('tells what is known and each change until stopped', async () => {
    const battery = new FakeBattery();
    const callback = vi.fn();
    const stop = watchBattery(callback, { navigator: { getBattery: () => Promise.resolve(battery) } });
    await settle();
    expect(callback.mock.lastCall).toEqual([{ known: true, level: 0.8, charging: false }]);
    battery.set(0.2, true);
    expect(callback.mock.lastCall).toEqual([{ known: true, level: 0.2, charging: true }]);
    stop();
    battery.set(0.1, false);
    expect(callback).toHaveBeenCalledTimes(2);
  });

  test.each<[string, MonitorEnvironment]>([
    ['absent', {}],
    ['absent from navigator', { navigator: {} }],
    ['refused', { navigator: { getBattery: () => Promise.reject(new Error('blocked')) } }],
    [
      'throwing',
      {
        navigator: {
          getBattery: () => {
            throw new Error('blocked');
          },
        },
      },
    ],
    ['senseless', { navigator: { getBattery: () => Promise.resolve(Object.assign(new FakeBattery(), { level: NaN })) } }],
  ])('%s means unknown', async (_, environment) => {
    const callback = vi.fn();
    watchBattery(callback, environment);
    await settle();
    expect(callback.mock.calls).toEqual([[{ known: false }]]);
  });

  test('stopped before the browser answers, it says nothing', async () => {
    const callback = vi.fn();
    watchBattery(callback, { navigator: { getBattery: () => Promise.resolve(new FakeBattery()) } })();
    await settle();
    expect(callback).not.toHaveBeenCalled();
  });

  test('getBattery is called on its navigator', async () => {
    const callback = vi.fn();
    const navigator = {
      battery: new FakeBattery(),
      getBattery() {
        return Promise.resolve(this.battery);
      },
    };
    watchBattery(callback, { navigator });
    await settle();
    expect(callback.mock.lastCall?.[0]).toMatchObject({ known: true });
  });
});

describe('pressure', () => {
  test('tells the last record and unknown words as unknown', async () => {
    const { seen, PressureObserver } = fakePressure();
    const callback = vi.fn();
    const stop = watchPressure(callback, { PressureObserver });
    await settle();
    seen.report?.('serious');
    seen.report?.('boiling');
    expect(callback.mock.calls).toEqual([['serious'], ['unknown']]);
    stop();
    expect(seen.disconnected).toBe(1);
    seen.report?.('critical');
    expect(callback).toHaveBeenCalledTimes(2);
  });

  test('absent, blocked by policy, or throwing means unknown', async () => {
    const blocked = fakePressure(() => Promise.reject(new Error('NotAllowedError')));
    class Throws {
      constructor() {
        throw new Error('insecure context');
      }
      observe = () => Promise.resolve();
      disconnect() {}
    }
    for (const environment of [{}, { PressureObserver: blocked.PressureObserver }, { PressureObserver: Throws }]) {
      const callback = vi.fn();
      watchPressure(callback, environment);
      await settle();
      expect(callback.mock.calls).toEqual([['unknown']]);
    }
  });
});

describe('visibility and save-data', () => {
  test('visibility tells each change once, also by pagehide', () => {
    const document = new FakeDocument();
    const window = new EventTarget();
    const callback = vi.fn();
    const stop = watchVisibility(callback, { document, window });
    document.set('visible');
    window.dispatchEvent(new Event('pagehide'));
    document.set('hidden');
    document.set('visible');
    stop();
    document.set('hidden');
    expect(callback.mock.calls).toEqual([[true], [false], [true]]);
  });

  test('without a document the page counts as visible, without a connection nothing is saved', () => {
    const visible = vi.fn();
    const saveData = vi.fn();
    watchVisibility(visible, {})();
    watchSaveData(saveData, {})();
    expect(visible.mock.calls).toEqual([[true]]);
    expect(saveData.mock.calls).toEqual([[false]]);
  });

  test('save-data follows its connection', () => {
    const connection = new FakeConnection();
    const callback = vi.fn();
    const stop = watchSaveData(callback, { navigator: { connection } });
    connection.saveData = true;
    connection.dispatchEvent(new Event('change'));
    stop();
    connection.saveData = false;
    connection.dispatchEvent(new Event('change'));
    expect(callback.mock.calls).toEqual([[false], [true]]);
  });
});

describe('createMonitor', () => {
  test('merges all sensors and calls back only on change', async () => {
    const battery = new FakeBattery();
    const document = new FakeDocument();
    const { seen, PressureObserver } = fakePressure();
    const onChange = vi.fn();
    const navigator = { getBattery: () => Promise.resolve(battery), connection: new FakeConnection() };
    document.visibilityState = 'hidden';
    const monitor = createMonitor(onChange, { navigator, document, PressureObserver });
    expect(monitor.signals.visible).toBe(false);
    expect(onChange).not.toHaveBeenCalled();
    await settle();
    expect(monitor.signals.battery).toEqual({ known: true, level: 0.8, charging: false });
    expect(onChange).toHaveBeenCalledTimes(1);
    battery.set(0.8, false);
    expect(onChange).toHaveBeenCalledTimes(1);
    seen.report?.('critical');
    expect(onChange.mock.lastCall?.[0]).toEqual(monitor.signals);
    expect(monitor.signals.pressure).toBe('critical');
    monitor.stop();
    document.set('visible');
    expect(onChange).toHaveBeenCalledTimes(2);
  });

  test('works with nothing at all', async () => {
    const monitor = createMonitor(() => {}, {});
    await settle();
    expect(monitor.signals).toEqual({ battery: { known: false }, pressure: 'unknown', visible: true, saveData: false });
    monitor.stop();
  });

  test('works in this realm, which has no page', async () => {
    const monitor = createMonitor(() => {});
    await settle();
    expect(monitor.signals.visible).toBe(true);
    monitor.stop();
  });
});

describe('latency', () => {
  test('keeps a window per route', () => {
    const latency = createLatencyMonitor(4);
    for (const totalMs of [1000, 10, 20, 30, 40]) latency.add('a', { totalMs }, 0);
    latency.add('b', { totalMs: 5, gpuMs: 3 }, 0);
    latency.add('b', { totalMs: NaN }, 0);
    latency.add('b', { totalMs: -1 }, 0);
    expect(latency.of('a')).toEqual({ p50Ms: 25, p95Ms: 38.5, count: 4 });
    expect(latency.of('b')).toEqual({ p50Ms: 5, p95Ms: 5, count: 1, gpuP50Ms: 3 });
    expect(latency.of('c')).toBeUndefined();
    expect(latency.routes).toEqual(['a', 'b']);
    latency.clear();
    expect(latency.routes).toEqual([]);
  });

  test('a route that comes back after a pause is not held against its old times', () => {
    const latency = createLatencyMonitor(4);
    for (const now of [0, 9000]) latency.add('a', { totalMs: 100, gpuMs: 90 }, now);
    expect(latency.of('a')?.count).toBe(2);
    latency.add('a', { totalMs: 10 }, 19_001);
    expect(latency.of('a')).toEqual({ p50Ms: 10, p95Ms: 10, count: 1 });
  });
});
