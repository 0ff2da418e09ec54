/** Calls what the host gave. Its own mistakes are reported as any uncaught error, and end nothing of ours. */
export function told<T>(listener: ((value: T) => void) | undefined, value: T): void {
  try {
    listener?.(value);
  } catch (error) {
    reportError(error);
  }
}
