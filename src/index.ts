/** Running Stitch: stitchable networks in the browser. The public API; re-exports and nothing else. */
export { createRuntime } from './runtime/create';
export { checkSupport } from './runtime/support';
export { storage } from './runtime/storage';
export { explain as explainDecision } from './control/explain';
export { ERROR_CODES, StitchError } from './core/errors';
export { VERSION } from './core/version';
export type { SupportReport } from './runtime/support';
export type { StitchStorage, StorageUsage } from './runtime/storage';
export type { ErrorCode, ErrorDetail } from './core/errors';
export type * from './core/types';
export type * from './control/types';
export type * from './runtime/api';
export type { AdapterSummary, CheckReport, DeviceLoss, EngineStats, LoadProgress, LoadTier } from './engine/api';
