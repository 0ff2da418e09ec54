/** Where the script build's worker finds the fallback executor. Shared by both sides of the worker boundary. */
export const FALLBACK_FILE = 'running-stitch.fallback.js';
export const FALLBACK_GLOBAL = 'runningStitchFallback';
