export const BASE_ARGS: readonly string[];
export const CHROMIUM_ARGS: readonly string[];
export function findChromium(): string | undefined;
export function missingChromium(): string;
