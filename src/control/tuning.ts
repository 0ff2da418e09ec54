/** Changes with every change of a constant or of the policy: a recorded trace replays only under the version it was made with. */
export const TUNING_VERSION = 7;

/** Every constant of the controller, once. */
export const TUNING = {
  /** Normal quantile of the share of frames that must fit: 1.645 is 95 %. */
  z: 1.645,
  /** Keep the rung while its predicted p95 exceeds the target by less than this many log-sds: what the estimate itself may err. */
  staySlack: 0.3,
  /** A rung stepped down to must fit in this share of the target. */
  dropMargin: 0.975,
  /** A rung jumped up to because the user moved the budget (and the first rung) must fit in this share. */
  jumpMargin: 0.97,
  /** A rung climbed to because frames are fast must fit in this share, when latency is noisy (log-sd ≥ `noisySpread`)… */
  climbMarginNoisy: 0.93,
  /** …and when it is quiet (log-sd ≤ `quietSpread`): less noise needs a narrower dead band. */
  climbMarginQuiet: 0.98,
  /** Share of the way to the dearest rung that would fit which one climb goes. */
  climbShare: 1,
  quietSpread: 0.05,
  noisySpread: 0.15,
  /** Once the slow mean is worth this many samples (about 4 s without a jump)… */
  restWeight: 60,
  /** …a climb needs this many log-sds of further room. */
  restCaution: 0.4,
  /** A climb that a move of the budget causes waits until this over the accuracy (share) that it gains, ms, after the last switch… */
  followPriceMs: 15,
  /** Least time between climbs that moves of the budget cause, ms, where they gain much… */
  followLeastMs: 550,
  /** …and where they gain little. */
  followMostMs: 3000,
  /** A climb that a move of the budget asked for and that could not be had for so long has to be earned like any other, ms. */
  followForgetMs: 60_000,
  /** A sensor that gives the target back is followed at once no more often than this, ms. */
  reliefMs: 2000,
  /** A drop of a drag gives up this much accuracy (share) in advance… */
  dragStep: 0.03,
  /** …which is a drag when another drop was within this time, ms… */
  dragMs: 2000,
  /** …or another move in the same direction within this, ms. */
  dragEveryMs: 250,
  /** Least time on a rung before a climb, ms. */
  dwellMs: 1000,
  /** A climb waits until this over the accuracy (share) that it gains, ms: a switch has to be worth its price… */
  climbPriceMs: 30,
  /** …but not for longer than this, ms. */
  climbDwellMostMs: 3000,
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
  /** Of those, the worst that do not count: each is an estimate from few frames, and the worst of many is mostly noise. */
  worstIgnored: 4,
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
  /** This many residuals in a row above `fastClip` are a jump up even where no two of them agree. */
  jumpSpikes: 3,
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
  /** Share of the target left while discharging, by tier. In performance mode its root: a low battery still counts. */
  batteryHighFactor: 1,
  batteryMidFactor: 0.8,
  batteryLowFactor: 0.5,
  /** Share of the target left in saver mode. */
  saverFactor: 0.6,
  /** Share of the target left when the user asked sites to save data. */
  saveDataFactor: 0.8,
  /** Share of frames classified while the page is hidden: browsers give it no pictures then. */
  hiddenDuty: 0,
  /** Least share of frames when even the lowest rung misses. */
  dutyLeast: 0.1,
  /** Longest rest that a duty below 1 adds between two frames, ms. */
  restMostMs: 1000,
  /** Duty moves in steps of this. */
  dutyStep: 0.1,

  /** Busy seconds a minute in saver mode, as a share of the minute… */
  planSaver: 0.4,
  /** …and the share of it left while discharging, by battery tier. */
  planHigh: 0.75,
  planMid: 0.5,
  planLow: 0.25,
  /** Busy ms that may be saved up while there is little to do… */
  planBurstMs: 1000,
  /** …and the most that one frame may be charged. */
  planDebtMostMs: 5000,

  /** The page stutters below this many frames a second of its own animation… */
  jankFps: 55,
  /** …or with more than this much of a second in frames over 50 ms, ms. */
  jankLongMs: 200,
  /** Readings in a row that stutter before the first cut, and the gain of their mean. */
  jankReadings: 2,
  jankGainOfMean: 0.3,
  /** Share of the share of frames that a cut leaves… */
  jankCut: 0.6,
  /** …and what a step back adds. */
  jankStep: 0.1,
  /** Least time between two cuts, ms. */
  jankStepMs: 900,
  /** The guard never leaves less than this share of frames. */
  jankShareLeast: 0.1,
  /** With that for this long, ms… */
  jankJudgeMs: 4000,
  /** …the page must have gained this many frames a second, or the stutter is not ours. */
  jankGain: 4,
  /** Smooth time before a step back, ms: at first, and at most before a share that brought the stutter back. */
  jankPatienceMs: 2000,
  jankPatienceMostMs: 60_000,
  /** Smooth time at full share after which all that is forgotten, ms. */
  jankForgetMs: 120_000,
  /** How long the guard keeps out after it had not helped, ms: first and most. */
  jankPauseMs: 30_000,
  jankPauseMostMs: 600_000,
  /** Frames answered within this time count as running, ms. */
  jankRunningMs: 1500,

  /** Sustained slowdown: this far above normal (log)… */
  thermalSlow: 0.14,
  /** …for this long, ms… */
  thermalMs: 30_000,
  /** …until this near to normal again. */
  thermalCalm: 0.07,
  /** Time constant in which the present slowness becomes the normal one, ms. */
  thermalForgetMs: 300_000,
  /** Least time on a rung before a climb while it lasts, ms. */
  thermalDwellMs: 8000,

  /** Frames of which the median stands for a route at a change of route: no more, because a change of load brought the change about. */
  driftSpan: 3,
  /** The profile's ratios have drifted when the median error of this many changes, all held in one direction of cost… */
  driftEdges: 16,
  /** …is more than this (log: a factor of 1.22). */
  driftRatio: 0.2,
  /** Its scale has when the median of this many first frames… */
  driftScaleFrames: 60,
  /** …is off by more than this (log: a factor of 1.3). */
  driftScale: 0.26,
  /** Least time between two checks of the ratios that lead to a new measurement, ms. */
  driftRestMs: 600_000,
} as const;
