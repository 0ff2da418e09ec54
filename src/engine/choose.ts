/** Which executors to try, in order, and the sentence that tells the user why. */
import type { BackendChoice, ExecutorKind } from '../core/types';
import type { AdapterSummary } from './api';

export interface Candidate {
  readonly kind: ExecutorKind;
  readonly reason: string;
  /** WebGPU with nothing but the kernels that every device can run. */
  readonly plain?: true;
}

const NAMES: Record<ExecutorKind, string> = { webgpu: 'WebGPU', wasm: 'WebAssembly', cpu: 'plain JavaScript' };

/**
 * `auto` never runs WebGPU on a software adapter: there WASM is about ten times faster. A forced backend is the only one, so that a
 * failure is seen and not papered over. `exclude`: what failed on this page before. `plain`: WebGPU failed on this device but with
 * plain kernels.
 */
export function chooseExecutors(
  choice: BackendChoice,
  adapter: AdapterSummary | undefined,
  exclude: readonly ExecutorKind[] = [],
  plain = false,
): Candidate[] {
  if (choice !== 'auto') {
    const asked = { kind: choice, reason: `${NAMES[choice]}, as asked for.` };
    return choice === 'webgpu' && adapter !== undefined ? webgpu(asked.reason, adapter, plain) : [asked];
  }
  const cpu: Candidate = { kind: 'cpu', reason: 'Plain JavaScript: neither WebGPU nor WebAssembly passed here.' };
  if (adapter === undefined) return [{ kind: 'wasm', reason: 'WebAssembly: this browser offers no WebGPU adapter.' }, cpu];
  const name = [adapter.vendor, adapter.architecture].filter(Boolean).join(' ') || 'unnamed adapter';
  if (adapter.software) {
    return [{ kind: 'wasm', reason: `WebAssembly: the WebGPU adapter (${name}) is a software one, which is slower.` }, cpu];
  }
  const gone = `WebAssembly: WebGPU (${name}) lost its device again and again, or answered wrongly.`;
  if (exclude.includes('webgpu')) return [{ kind: 'wasm', reason: gone }, cpu];
  return [
    ...webgpu(`WebGPU on ${name}.`, adapter, plain),
    { kind: 'wasm', reason: `WebAssembly: WebGPU (${name}) failed its start or its known-answer check.` },
    cpu,
  ];
}

/** With the kernels that this device is fastest with, then with those that are the same everywhere. A software adapter has no others. */
function webgpu(reason: string, { software }: AdapterSummary, plain: boolean): Candidate[] {
  const special: Candidate = { kind: 'webgpu', reason };
  if (software) return [special];
  const rest: Candidate = { kind: 'webgpu', reason: `${reason} With plain kernels: the faster ones failed here.`, plain: true };
  return plain ? [rest] : [special, rest];
}
