/** The page's URL parameters: ?backend=webgpu|wasm|cpu, ?bundle=URL, ?budget=ms, ?source=clip|photos|camera, ?guard=on|off. */
import type { BackendChoice } from '../index';
import type { SourceKind } from './state';

/** The bundle that comes with this page. */
export const DEFAULT_BUNDLE = 'models/photos/manifest.json';

export interface Params {
  readonly backend: BackendChoice;
  readonly bundle: URL;
  readonly isDefaultBundle: boolean;
  readonly budgetMs: number | null;
  readonly source: SourceKind | null;
  /** Classify fewer frames when the page's own animation stutters. */
  readonly guardPage: boolean;
  /** What could not be used, in plain words; empty when all was fine. */
  readonly complaint: string;
}

const BACKENDS: readonly string[] = ['auto', 'webgpu', 'wasm', 'cpu'];
const SOURCES: readonly string[] = ['clip', 'photos', 'camera'];
const SWITCH: readonly string[] = ['on', 'off'];

export function readParams(search: string, base: string): Params {
  const query = new URLSearchParams(search);
  const complaints: string[] = [];
  const choice = (name: string, allowed: readonly string[]) => {
    const value = query.get(name);
    if (value === null || allowed.includes(value)) return value;
    complaints.push(`?${name}=${value} is not one of ${allowed.join(', ')}.`);
    return null;
  };
  const backend = choice('backend', BACKENDS) as BackendChoice | null;
  const source = choice('source', SOURCES) as SourceKind | null;
  const guardPage = choice('guard', SWITCH) !== 'off';
  const budget = query.get('budget');
  const ms = Number(budget);
  const budgetMs = budget !== null && Number.isFinite(ms) && ms > 0 ? ms : null;
  if (budget !== null && budgetMs === null) complaints.push(`?budget=${budget} is not a number of milliseconds above 0.`);
  const bundle = bundleUrl(query.get('bundle'), base);
  if (bundle === null) complaints.push('?bundle= must be an address on this site; the default bundle is used.');
  return {
    backend: backend ?? 'auto',
    bundle: bundle ?? new URL(DEFAULT_BUNDLE, base),
    isDefaultBundle: bundle === null || query.get('bundle') === null,
    budgetMs,
    source,
    guardPage,
    complaint: complaints.join(' '),
  };
}

/** Same origin only: a link to this page must not make it fetch from elsewhere. */
function bundleUrl(value: string | null, base: string): URL | null {
  if (value === null) return new URL(DEFAULT_BUNDLE, base);
  if (!URL.canParse(value, base)) return null;
  const url = new URL(value, base);
  if (url.origin !== new URL(base).origin) return null;
  if (!url.pathname.endsWith('.json')) url.pathname = `${url.pathname.replace(/\/$/, '')}/manifest.json`;
  return url;
}
