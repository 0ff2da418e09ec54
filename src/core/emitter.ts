/** A typed emitter. `on` returns its own unsubscribe; a throwing listener never stops the others. */
export interface Emitter<Events> {
  on<K extends keyof Events>(event: K, listener: (value: Events[K]) => void): () => void;
  emit<K extends keyof Events>(event: K, value: Events[K]): void;
  clear(): void;
}

export function createEmitter<Events>(): Emitter<Events> {
  const listeners = new Map<keyof Events, Set<(value: never) => void>>();
  return {
    on(event, listener) {
      const set = listeners.get(event) ?? new Set();
      listeners.set(event, set);
      set.add(listener as (value: never) => void);
      return () => {
        set.delete(listener as (value: never) => void);
      };
    },
    emit(event, value) {
      for (const listener of listeners.get(event) ?? []) {
        try {
          (listener as (v: typeof value) => void)(value);
        } catch (error) {
          // Surfaced as an uncaught error of the host's, without breaking the frame loop.
          queueMicrotask(() => {
            throw error;
          });
        }
      }
    },
    clear() {
      listeners.clear();
    },
  };
}
