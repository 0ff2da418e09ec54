/** Running Stitch: stitchable networks in the browser. The public API; re-exports and nothing else. */
export { StitchError, ERROR_CODES } from './core/errors';
export type { ErrorCode, ErrorDetail } from './core/errors';
export type * from './core/types';
export type * from './control/types';
export type * from './runtime/api';
export type { AdapterSummary, CheckReport, DeviceLoss, EngineStats, LoadProgress } from './engine/api';
