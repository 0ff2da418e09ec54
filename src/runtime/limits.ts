/** What this device and its link allow to be loaded without being asked. Every source degrades to "no limit known". */
import type { LoadLimits } from '../engine/api';

interface Connection {
  readonly saveData?: boolean;
  readonly effectiveType?: string;
  /** By what the device is connected. */
  readonly type?: string;
}

/** The parts of `navigator` that are read; most browsers lack some. */
export interface LimitsNavigator {
  /** GiB, rounded and capped at 8 by the browser. */
  readonly deviceMemory?: number;
  readonly connection?: Connection;
  readonly userAgent?: string;
  readonly userAgentData?: { readonly mobile?: boolean };
}

/** The share of the device's memory that weights may take: a page shares the device with its browser and everything else. */
const MEMORY_SHARE = 1 / 16;
/** A phone that does not tell: iOS ends pages at about 1.5 GB in all. */
const PHONE_GIB = 2;
const SLOW: ReadonlySet<string> = new Set(['slow-2g', '2g', '3g']);

export function loadLimits(
  nav: LimitsNavigator,
  wishes: Pick<LoadLimits, 'maxAnchor' | 'meteredAnchor'> & { readonly crashedAt?: string | undefined },
): LoadLimits {
  const { maxAnchor, meteredAnchor, crashedAt } = wishes;
  const gib = nav.deviceMemory ?? (isPhone(nav) ? PHONE_GIB : undefined);
  const { saveData = false, effectiveType = '', type } = nav.connection ?? {};
  return {
    ...(maxAnchor === undefined ? {} : { maxAnchor }),
    ...(meteredAnchor === undefined ? {} : { meteredAnchor }),
    ...(gib === undefined ? {} : { memoryBytes: gib * 2 ** 30 * MEMORY_SHARE }),
    // What a mobile link costs is not told; most are metered.
    saveData: saveData || type === 'cellular' || SLOW.has(effectiveType),
    ...(crashedAt === undefined ? {} : { crashedAt }),
  };
}

function isPhone({ userAgentData, userAgent = '' }: LimitsNavigator): boolean {
  return userAgentData?.mobile ?? /iPhone|Android.+Mobile|Mobile.+Firefox/.test(userAgent);
}
