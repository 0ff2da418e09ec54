/** Numbers and names as the page writes them. */
import type { AdapterSummary, BatteryState, ExecutorKind, LoadProgress, StorageUsage } from '../../index';

export function ms(value: number): string {
  if (!Number.isFinite(value)) return '…';
  return `${value < 10 ? value.toFixed(1) : Math.round(value).toString()} ms`;
}

export function percent(share: number, digits = 0): string {
  return `${(share * 100).toFixed(digits)} %`;
}

/** Decimal megabytes and gigabytes, as browsers and download pages count them. */
export function sizeText(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

export const EXECUTOR_NAMES: Readonly<Record<ExecutorKind, string>> = {
  webgpu: 'WebGPU',
  wasm: 'WebAssembly on the CPU',
  cpu: 'JavaScript on the CPU',
};

/** For the heads of columns. */
export function shortName(kind: ExecutorKind): string {
  return EXECUTOR_NAMES[kind].replace(' on the CPU', '');
}

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
  if (bytesTotal <= 0 || phase === 'ready') return `${PHASES[phase]}…`;
  const stored = bytesFromCache > 0 ? `, ${sizeText(bytesFromCache)} of it already on this device` : '';
  return `${PHASES[phase]}… ${sizeText(bytesLoaded)} of ${sizeText(bytesTotal)}${stored}${etaText(progress)}`;
}

/** ", about 40 s left" while weights come and their pace is known, to be put behind how much has come. */
export function etaText({ phase, etaMs }: LoadProgress): string {
  // In other phases it is still that of the last byte.
  return phase === 'shards' && etaMs !== undefined ? `, ${leftText(etaMs)}` : '';
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

/** What the library keeps, of what it may. */
export function keptText({ shards, bytes, quotaBytes, persisted }: StorageUsage): string {
  if (shards === 0) return 'No networks are kept on this device.';
  const quota = quotaBytes === undefined ? '' : `; the browser grants this site ${sizeText(quotaBytes)}`;
  const promise = persisted === true ? ' and has promised not to drop them' : '';
  return `Networks kept on this device: ${sizeText(bytes)} in ${shards} files${quota}${promise}.`;
}

/** What the browser tells of the GPU. */
export function adapterText(adapter: AdapterSummary): string {
  const name = [adapter.vendor, adapter.architecture, adapter.description].filter(Boolean).join(' ') || 'unnamed';
  return adapter.software ? `${name} (software)` : name;
}

/** "about 40 s left", in steps that do not flicker. */
export function leftText(leftMs: number): string {
  const seconds = leftMs / 1000;
  if (seconds < 2) return 'almost done';
  if (seconds < 20) return `about ${Math.round(seconds)} s left`;
  if (seconds < 100) return `about ${Math.round(seconds / 5) * 5} s left`;
  return `about ${Math.round(seconds / 60)} min left`;
}
