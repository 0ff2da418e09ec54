/** `running-stitch/control`: the controller, the simulator that scores it, and replays of what was recorded. No DOM. */
export { createController } from './controller';
export type { Controller } from './controller';
export type { ControlState, StartOptions } from './state';
export { explain } from './explain';
export { buildLadder, sortRungs } from './ladder';
export { fitCosts, predictCosts, relativeErrors } from './predict';
export type { CostFit, CostSample } from './predict';
export { costsOf, isProfileFor, profileOf, routesToMeasure } from './profile';
export type { ProfileOptions } from './profile';
export { typicalTimings } from './typical';
export type { Visit } from './typical';
export { NO_LIMIT, planSeconds } from './energy';
export { TUNING, TUNING_VERSION } from './tuning';
export { UNKNOWN_SIGNALS, targetFor } from './budget';
export type { BatteryTier, Target, TargetLimit } from './budget';

export { headerOf, replay } from './replay';
export type { Replay, TraceHeader, TraceLine } from './replay';
export { slowdownCsv } from './slowdown-csv';

export { SIMULATION, briefing, fly, layOut, logSdOf, noiseFor, quietMs } from './simulate';
export type { Course, Pilot, Run } from './simulate';
export { SYNTHETIC, TRACES, parseTrace, traceSuite } from './traces';
export type { RecordedTrace, Trace } from './traces';
export { ORACLE, hopelessTicks, oraclePilot, planOf, worthOf } from './oracle';
export { BASELINES, aimd, fixed, fpsBand, greedy } from './baselines';
export { jointScore, meanMetrics, measure } from './metrics';
export type { Metrics } from './metrics';
export { GATES, LAMBDAS, MOST_MS_PER_DECISION, MUS, judge, variantsOf } from './gates';
export type { Gate, Verdict } from './gates';
export { evaluate, overall } from './evaluate';
export type { Evaluation, TraceResult } from './evaluate';
export type * from './types';
export type { Budget, EnergyMode, RouteInfo, RoutePath, AnchorSpan, StitchStep } from '../core/types';
