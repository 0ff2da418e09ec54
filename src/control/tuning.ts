/** Changes with every change of a constant or of the policy: a recorded trace replays only under the version it was made with. */
export const TUNING_VERSION = 2;

/** Every constant of the controller, once. */
export const TUNING = {
  /** Normal quantile of the share of frames that must fit: 1.645 is 95 %. */
  z: 1.645,
  /** Keep the rung while its predicted p95 exceeds the target by less than this many log-sds: what the estimate itself may err. */
  staySlack: 0.2,
  /** A rung stepped down to must fit in this share of the target… */
  dropMargin: 0.96,
  /** …and in this share after a jump, while the slowdown rests on fewer than `dwellFrames` samples. */
  dropMarginJump: 0.9,
  /** A rung jumped up to because the user moved the budget (and the first rung) must fit in this share. */
  jumpMargin: 0.97,
  /** A rung climbed to because frames are fast must fit in this share, when latency is noisy (log-sd ≥ `noisySpread`)… */
  climbMarginNoisy: 0.93,
  /** …and when it is quiet (log-sd ≤ `quietSpread`): less noise needs a narrower dead band. */
  climbMarginQuiet: 0.97,
  /** Share of the way to the dearest rung that would fit which one climb goes. */
  climbShare: 1,
  quietSpread: 0.05,
  noisySpread: 0.15,
  /** Once the slow mean is worth this many samples (about 4 s without a jump)… */
  restWeight: 60,
  /** …a climb needs this many log-sds of further room. */
  restCaution: 0.4,
  /** Least time between climbs that moves of the budget cause, ms… */
  followMs: 1000,
  /** …unless the climb gains this much accuracy (share)… */
  dragStep: 0.03,
  /** …which a drop because of the budget within this time of another gives up in advance: the slider is being dragged down. */
  dragMs: 2000,
  /** Least time on a rung before a climb, ms. */
  dwellMs: 1000,
  /** A climb that gains less accuracy (share) than this… */
  smallGain: 0.01,
  /** …needs this long on a rung, ms: a ladder that grows rung by rung is not climbed rung by rung. */
  smallGainDwellMs: 2500,
  /** Least frames on a rung, and since the last jump of the slowdown, before a climb. */
  dwellFrames: 10,
  /** Frames whose latency is not believed after a switch, a gap, a reset or a change of visibility. */
  ignoreFrames: 2,
  /** A pause between samples longer than this plus four latencies is a gap, ms. */
  gapMs: 1000,
  /** A climb undone sooner than this failed, and A→B→A within it is a reversal, ms. */
  reversalMs: 2000,
  /** How long a reversal makes the controller wary, ms: meanwhile a climb must also fit the recent worst. */
  waryMs: 60_000,
  /** Span of "the recent worst" slowdown, seconds. */
  worstSeconds: 12,
  /** First wait after a failed climb, ms; doubles with each further failure of that rung. */
  retryFirstMs: 1000,
  /** Longest wait after failed climbs, ms. */
  retryMostMs: 60_000,
  /** A rung held this long has its failures forgotten, ms. */
  retryForgetMs: 10_000,
  /** An observation above this multiple of the target makes a step down a panic. */
  panicRatio: 1.5,

  /** Memory of the slow mean of the log slowdown, samples. */
  slowMemory: 75,
  /** Samples that the profile's own claim "slowdown 1" is worth. */
  slowPrior: 4,
  /** Gain of the fast mean of standardised residuals. */
  fastGain: 0.4,
  /** The fast mean beyond this many standard deviations says that the slowdown has jumped. */
  jumpThreshold: 2.5,
  /** Residuals count for at most this many standard deviations in the fast mean, so one spike cannot be a jump… */
  fastClip: 4.5,
  /** …and for this many in the slow mean. */
  slowClip: 2,
  /** A jump needs this many residuals in a row on one side, each beyond `runSpread` standard deviations… */
  jumpRun: 2,
  /** …or this many where single spikes are common, above `spikyShare` of frames. */
  jumpRunSpiky: 3,
  runSpread: 1.5,
  /** Two residuals in a row belong to one run when they differ by at most this many standard deviations. */
  runAgreement: 4,
  spikyShare: 0.014,
  /** Share of spikes before anything is known: a new device is held to be spiky until it proves calm. */
  spikePrior: 0.03,
  /** Memory of the share of spikes, samples. */
  spikeMemory: 200,
  /** Latency's log standard deviation (about its coefficient of variation) before anything is known. */
  spreadPrior: 0.15,
  /** Samples which that prior is worth. */
  spreadPriorWeight: 8,
  /** Memory of the spread, samples. */
  spreadMemory: 300,
  spreadLeast: 0.02,
  spreadMost: 0.5,
  /** Gain of the per-rung bias (log). */
  biasGain: 0.005,
  /** Time in which a bias decays to 1/e, ms. */
  biasDecayMs: 60_000,
  /** Bound of a bias, log units: a factor of 1.5. */
  biasMost: 0.405,
  /** Bound of the log slowdown: a factor of 1000 either way. */
  levelMost: 6.9,

  /** Battery tiers, shares of 1: at or below counts as the lower tier. */
  batteryLow: 0.2,
  batteryMid: 0.5,
  /** Share of the target left while discharging, by tier. */
  batteryHighFactor: 1,
  batteryMidFactor: 0.8,
  batteryLowFactor: 0.5,
  /** Exponent on the battery's factor in performance mode: the user asked for speed, but a low battery still counts. */
  performanceBatteryExponent: 0.5,
  /** Share of the target left in saver mode. */
  saverFactor: 0.6,
  /** Share of the target left when the user asked sites to save data. */
  saveDataFactor: 0.8,
  /** Share of frames classified while the page is hidden. */
  hiddenDuty: 0.1,
  /** Least share of frames when even the lowest rung misses. */
  dutyLeast: 0.1,
  /** Duty moves in steps of this. */
  dutyStep: 0.1,
} as const;
