/** What this browser offers. Never throws. */
import { isSoftwareAdapter } from '../core/adapter';
import { trustedScriptUrl } from './trusted-types';

export interface SupportReport {
  /** An adapter answered. */
  readonly webgpu: boolean;
  /** The adapter is a software one, so `auto` prefers WebAssembly. */
  readonly softwareAdapter: boolean;
  readonly wasmSimd: boolean;
  readonly moduleWorkers: boolean;
  readonly indexedDb: boolean;
  /** `crypto.subtle`, needed to verify shards: https or localhost. */
  readonly secureContext: boolean;
  readonly camera: boolean;
  readonly battery: boolean;
  readonly computePressure: boolean;
}

/** The smallest module with a SIMD instruction: (func (v128.const …) drop). */
const SIMD_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 23, 1, 21, 0, 253, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 26, 11,
]);

export async function checkSupport(): Promise<SupportReport> {
  const { navigator: nav } = globalThis as { navigator?: Partial<Navigator> };
  const software = await softwareAdapter(nav);
  return {
    webgpu: software !== undefined,
    softwareAdapter: software ?? false,
    wasmSimd: attempt(() => WebAssembly.validate(SIMD_PROBE)),
    moduleWorkers: attempt(supportsModuleWorkers),
    indexedDb: attempt(() => typeof indexedDB === 'object' && indexedDB !== null),
    secureContext: attempt(() => isSecureContext && typeof crypto.subtle === 'object'),
    camera: attempt(() => typeof nav?.mediaDevices?.getUserMedia === 'function'),
    battery: nav !== undefined && 'getBattery' in nav,
    computePressure: 'PressureObserver' in globalThis,
  };
}

function attempt(test: () => boolean): boolean {
  try {
    return test();
  } catch {
    return false;
  }
}

/** The constructor reads `type` only where it knows it, and before it finds that the address is none: nothing is fetched or refused. */
function supportsModuleWorkers(): boolean {
  if (typeof Worker !== 'function') return false;
  let read = false;
  const options = {
    get type(): 'module' {
      read = true;
      return 'module';
    },
  };
  try {
    new Worker(trustedScriptUrl('http://['), options).terminate();
  } catch {
    // As it must; the option was read before that.
  }
  return read;
}

async function softwareAdapter(nav: Partial<Navigator> | undefined): Promise<boolean | undefined> {
  try {
    const adapter = await nav?.gpu?.requestAdapter();
    return adapter ? isSoftwareAdapter(adapter.info) : undefined;
  } catch {
    return undefined;
  }
}
