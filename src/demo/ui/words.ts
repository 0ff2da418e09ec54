/** Numbers and names as the page writes them. */
import type { BatteryState, ExecutorKind, LoadProgress } from '../../index';

export function ms(value: number): string {
  if (!Number.isFinite(value)) return '…';
  return `${value < 10 ? value.toFixed(1) : Math.round(value).toString()} ms`;
}

export function percent(share: number, digits = 0): string {
  return `${(share * 100).toFixed(digits)} %`;
}

/** Decimal megabytes, as browsers and download pages count them. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

export const EXECUTOR_NAMES: Readonly<Record<ExecutorKind, string>> = {
  webgpu: 'WebGPU',
  wasm: 'WebAssembly on the CPU',
  cpu: 'JavaScript on the CPU',
};

/** Class names of ImageNet list synonyms; the first is what people say. */
export function shortLabel(label: string): string {
  return label.split(',')[0]?.trim() ?? label;
}

const PHASES: Readonly<Record<LoadProgress['phase'], string>> = {
  manifest: 'Reading the list of parts',
  shards: 'Fetching the weights',
  compile: 'Preparing the networks',
  check: 'Checking answers against known ones',
  measure: 'Measuring each route on this device',
  ready: 'Ready',
};

export function progressText(progress: LoadProgress): string {
  const { phase, bytesLoaded, bytesTotal, bytesFromCache } = progress;
  if (bytesTotal <= 0) return `${PHASES[phase]}…`;
  const stored = bytesFromCache > 0 ? `, ${megabytes(bytesFromCache)} of it already on this device` : '';
  return `${PHASES[phase]}… ${megabytes(bytesLoaded)} of ${megabytes(bytesTotal)}${stored}`;
}

export function batteryText(battery: BatteryState): string {
  if (!battery.known) return 'unknown';
  return `${percent(battery.level)}, ${battery.charging ? 'charging' : 'discharging'}`;
}

/** m:ss since the page started. */
export function clock(at: number): string {
  const seconds = Math.floor(at / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
